"""Tables, the stream and the bucket, as their services tell them, in the template's words."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.deploy.views.aws import Aws


def table(aws: Aws, name: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::DynamoDB::Table."""
    client = aws("dynamodb")
    described = client.describe_table(TableName=name)["Table"]
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    destinations = client.describe_kinesis_streaming_destination(TableName=name)["KinesisDataStreamDestinations"]
    return {
        **described,
        "BillingMode": described.get("BillingModeSummary", {}).get("BillingMode"),
        "TimeToLiveSpecification": {
            "AttributeName": ttl.get("AttributeName"),
            "Enabled": ttl["TimeToLiveStatus"] == "ENABLED",
        },
        "PointInTimeRecoverySpecification": {
            "PointInTimeRecoveryEnabled": (
                backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
            )
        },
        "KinesisStreamSpecification": destinations[0] if destinations else None,
    }


def stream(aws: Aws, name: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::Kinesis::Stream."""
    described = aws("kinesis").describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    return {
        **described,
        "Name": described["StreamName"],
        "ShardCount": described["OpenShardCount"],
        "StreamEncryption": described,
    }


def bucket(aws: Aws, name: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::S3::Bucket."""
    client = aws("s3")
    client.head_bucket(Bucket=name)
    rules = _asked(client.get_bucket_lifecycle_configuration, name).get("Rules", [])
    return {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"]}
                for rule in _asked(client.get_bucket_encryption, name)
                .get("ServerSideEncryptionConfiguration", {})
                .get("Rules", [])
            ]
        },
        "LifecycleConfiguration": {
            "Rules": [{**rule, "ExpirationInDays": rule.get("Expiration", {}).get("Days")} for rule in rules]
        },
        "OwnershipControls": _asked(client.get_bucket_ownership_controls, name).get("OwnershipControls"),
        "PublicAccessBlockConfiguration": _asked(client.get_public_access_block, name).get(
            "PublicAccessBlockConfiguration"
        ),
    }


def _asked(call: Any, bucket_name: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = call(Bucket=bucket_name)
    except ClientError:
        return {}  # a bucket without that setting says so by an error
    return answer

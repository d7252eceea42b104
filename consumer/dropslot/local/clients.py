"""AWS clients and environment variables that reach the local servers and nothing else."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_kinesis import KinesisClient

REGION: Final = "us-east-1"
#: Both servers take any credentials. Made-up ones make sure that a mistaken endpoint can't reach a real account.
ACCESS_KEY: Final = "local"
SECRET_KEY: Final = "local"  # noqa: S105 - see above

_DROPPED: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ENDPOINT_URL")


def local_environment(
    environment: Mapping[str, str], *, region: str, dynamodb_endpoint: str, kinesis_endpoint: str
) -> dict[str, str]:
    """Return an environment whose AWS SDKs (Python, Java, JavaScript) talk to the local servers only.

    Args:
        environment: the one to start from; profiles, tokens and AWS configuration files of the user are shut out.
        region: AWS region that clients claim.
        dynamodb_endpoint: URL of DynamoDB Local.
        kinesis_endpoint: URL of kinesis-local.
    """
    kept = {name: value for name, value in environment.items() if name not in _DROPPED}
    no_proxy = ",".join(filter(None, (environment.get("NO_PROXY", environment.get("no_proxy", "")), "127.0.0.1")))
    return kept | {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_endpoint,
        "AWS_ENDPOINT_URL_KINESIS": kinesis_endpoint,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "PYTHONUNBUFFERED": "1",
    }


def dynamodb_client(endpoint: str, region: str = REGION) -> "DynamoDBClient":
    """Return a client of DynamoDB Local."""
    return _session(region).client("dynamodb", endpoint_url=endpoint, config=_config())


def streams_client(endpoint: str, region: str = REGION) -> "DynamoDBStreamsClient":
    """Return a client of DynamoDB Local's streams; they are on the same port as its tables."""
    return _session(region).client("dynamodbstreams", endpoint_url=endpoint, config=_config())


def kinesis_client(endpoint: str, region: str = REGION) -> "KinesisClient":
    """Return a client of kinesis-local."""
    return _session(region).client("kinesis", endpoint_url=endpoint, config=_config())


def _session(region: str) -> boto3.Session:
    return boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=region)


def _config() -> "Config":
    options: dict[str, Any] = {
        "connect_timeout": 5,
        "read_timeout": 30,
        # Callers retry by their own rules; botocore's hidden ones would only hide which call is slow.
        "retries": {"total_max_attempts": 1},
        # A proxy set for the outside world must not see calls to loopback.
        "proxies": {},
        "max_pool_connections": 16,
    }
    return Config(**options)

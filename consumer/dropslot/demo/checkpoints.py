"""Tells whether the consumer has confirmed all of the stream, from KCL's lease table and from the stream itself."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient


def at_end(dynamodb: "DynamoDBClient", kinesis: "KinesisClient", *, application: str, stream: str) -> dict[str, bool]:
    """Return for each shard whether its lease's checkpoint stands at its last record.

    Args:
        dynamodb: where the lease table is.
        kinesis: where the stream is.
        application: name of the KCL application, and of its lease table.
        stream: name of the stream.
    """
    reached = {}
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        shard_id = shard["ShardId"]
        lease = dynamodb.get_item(TableName=application, Key={"leaseKey": {"S": shard_id}}, ConsistentRead=True)
        checkpoint = lease.get("Item", {}).get("checkpoint", {}).get("S", "TRIM_HORIZON")
        reached[shard_id] = checkpoint == "SHARD_END" or not _has_more(kinesis, stream, shard_id, checkpoint)
    return reached


def _has_more(kinesis: "KinesisClient", stream: str, shard_id: str, checkpoint: str) -> bool:
    if checkpoint.isdigit():
        iterator = kinesis.get_shard_iterator(
            StreamName=stream,
            ShardId=shard_id,
            ShardIteratorType="AFTER_SEQUENCE_NUMBER",
            StartingSequenceNumber=checkpoint,
        )
    else:
        iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON")
    # One is enough to know, and the consumer wants the server's time as well.
    return bool(kinesis.get_records(ShardIterator=iterator["ShardIterator"], Limit=1)["Records"])

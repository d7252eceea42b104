"""Tells whether the consumer has confirmed all of the stream, from its positions and from the stream itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dropslot.local.info import StackInfo
from dropslot.local.mapping.positions import POSITIONS_FILE, SHARD_END, read_positions
from dropslot.local.options import LAMBDA

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient


_START: Final = "TRIM_HORIZON"


def at_end(
    info: StackInfo, dynamodb: "DynamoDBClient", kinesis: "KinesisClient", *, application: str
) -> dict[str, bool]:
    """Return for each shard whether the consumer's checkpoint stands at its last record.

    Args:
        info: the stack.
        dynamodb: of the stack.
        kinesis: the same.
        application: name of the KCL application, and of its lease table.
    """
    shard_ids = [shard["ShardId"] for shard in kinesis.list_shards(StreamName=info.stream)["Shards"]]
    checkpoints: Mapping[str, str] = (
        read_positions(Path(info.state) / POSITIONS_FILE)
        if info.consumer == LAMBDA
        else {shard_id: _lease_checkpoint(dynamodb, application, shard_id) for shard_id in shard_ids}
    )
    return {
        shard_id: (checkpoint := checkpoints.get(shard_id, _START)) == SHARD_END
        or not _has_more(kinesis, info.stream, shard_id, checkpoint)
        for shard_id in shard_ids
    }


def _lease_checkpoint(dynamodb: "DynamoDBClient", application: str, shard_id: str) -> str:
    lease = dynamodb.get_item(TableName=application, Key={"leaseKey": {"S": shard_id}}, ConsistentRead=True)
    return lease.get("Item", {}).get("checkpoint", {}).get("S", _START)


def _has_more(kinesis: "KinesisClient", stream: str, shard_id: str, checkpoint: str) -> bool:
    if checkpoint.isdigit():
        iterator = kinesis.get_shard_iterator(
            StreamName=stream,
            ShardId=shard_id,
            ShardIteratorType="AFTER_SEQUENCE_NUMBER",
            StartingSequenceNumber=checkpoint,
        )
    else:
        iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard_id, ShardIteratorType=_START)
    # One is enough to know, and the consumer wants the server's time as well.
    return bool(kinesis.get_records(ShardIterator=iterator["ShardIterator"], Limit=1)["Records"])

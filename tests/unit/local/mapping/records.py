"""Records for the unit tests of the mapping."""

from dropslot.local.mapping.event import ShardRecord

STREAM_ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/requests"
SHARD = "shardId-000000000000"


def record(number: int, *, data: bytes = b"{}", arrived: float = 1000.0, key: str = "key") -> ShardRecord:
    """Return a record whose sequence number is the number."""
    return ShardRecord.of(
        shard_id=SHARD,
        stream_arn=STREAM_ARN,
        sequence_number=str(number),
        partition_key=key,
        data=data,
        arrived_epoch_seconds=arrived,
    )


def records(*numbers: int) -> tuple[ShardRecord, ...]:
    """Return several."""
    return tuple(record(number) for number in numbers)

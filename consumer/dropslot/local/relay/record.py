"""Builds the change record that AWS's Kinesis Data Streams for DynamoDB would put for one change of the table."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

#: DynamoDB leaves out records that serialise to more (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds.html).
RECORD_MAX_BYTES: Final = 1024 * 1024
#: What a change record says of a deletion by time to live; of anything else it says null.
TTL_IDENTITY: Final[Mapping[str, str]] = {"principalId": "dynamodb.amazonaws.com", "type": "Service"}

_MINUTE_US: Final = 60_000_000
_IMAGES: Final = ("NewImage", "OldImage")
_encode: Final = msgspec.json.Encoder().encode


def change_record(
    event: Mapping[str, Any], *, table: str, region: str, created_epoch_us: int, expired: bool = False
) -> bytes:
    """Return the JSON of one change record.

    Args:
        event: one record of DynamoDB Streams, as boto3 returns it (binary values as bytes).
        table: name of the table.
        region: AWS region to name.
        created_epoch_us: when the change was made.
        expired: the change is a deletion by time to live.

    Names, order and nesting of the fields are those that AWS writes. `SequenceNumber`, `StreamViewType` and
    `eventVersion`, which the change stream has, are not part of it.
    """
    change = event["dynamodb"]
    return _encode(
        {
            "awsRegion": region,
            "eventID": event["eventID"],
            "eventName": event["eventName"],
            "userIdentity": TTL_IDENTITY if expired else None,
            "recordFormat": "application/json",
            "tableName": table,
            "dynamodb": {
                "ApproximateCreationDateTime": created_epoch_us,
                "Keys": change["Keys"],
                **{image: change[image] for image in _IMAGES if image in change},
                "SizeBytes": change["SizeBytes"],
                "ApproximateCreationDateTimePrecision": "MICROSECOND",
            },
            "eventSource": "aws:dynamodb",
        }
    )


def partition_key(keys: Mapping[str, Any]) -> str:
    """Return the partition key for an item's key: 32 hex digits, the same for every change of the item.

    AWS doesn't say how it makes them; hashing the key keeps what it does say, that an item's records share a shard.
    """
    canonical = msgspec.json.encode(keys, order="sorted")
    return hashlib.md5(canonical, usedforsecurity=False).hexdigest().upper()


def too_large(data: bytes, key: str) -> bool:
    """Tell whether DynamoDB would leave the record out."""
    return len(data) + len(key) > RECORD_MAX_BYTES


def creation_time_us(rounded_epoch_us: int, read_epoch_us: int) -> int:
    """Return when a change was made, as well as can be told.

    Args:
        rounded_epoch_us: what DynamoDB Local says: rounded down to the minute.
        read_epoch_us: when the relay read the change; right within a poll unless the relay was down or behind.
    """
    return min(max(read_epoch_us, rounded_epoch_us), rounded_epoch_us + _MINUTE_US - 1)

"""Records of a stream as Lambda hands them to a function.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

#: Limit of what a function is handed, and of what it answers
#: (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
PAYLOAD_MAX_BYTES: Final = 6 * 1024 * 1024
#: Stands for the account: nothing local has one.
ACCOUNT: Final = "000000000000"

_HEAD: Final = b'{"Records":['
_TAIL: Final = b"]}"
#: What an event has beside its records.
EMPTY_EVENT_BYTES: Final = len(_HEAD + _TAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRecord:
    """A record of the stream.

    Args:
        sequence_number: its place in its shard.
        partition_key: what spreads records over shards, and over the lanes of one.
        arrived_epoch_seconds: when the stream took it.
        document: itself as JSON, as it stands in an event.
    """

    sequence_number: str
    partition_key: str
    arrived_epoch_seconds: float
    document: bytes

    @classmethod
    def of(
        cls,
        *,
        shard_id: str,
        stream_arn: str,
        sequence_number: str,
        partition_key: str,
        data: bytes,
        arrived_epoch_seconds: float,
    ) -> "ShardRecord":
        """Return a record as it was read from a shard."""
        document = {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": partition_key,
                "sequenceNumber": sequence_number,
                "data": base64.b64encode(data).decode(),
                "approximateArrivalTimestamp": round(arrived_epoch_seconds, 3),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard_id}:{sequence_number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/dropslot-local",
            "awsRegion": stream_arn.split(":")[3],
            "eventSourceARN": stream_arn,
        }
        return cls(
            sequence_number=sequence_number,
            partition_key=partition_key,
            arrived_epoch_seconds=arrived_epoch_seconds,
            document=msgspec.json.encode(document),
        )

    @property
    def event_bytes(self) -> int:
        """How much longer it makes an event."""
        return len(self.document) + 1


def event_of(records: Sequence[ShardRecord]) -> bytes:
    """Return the event of a batch, as JSON."""
    return _HEAD + b",".join(record.document for record in records) + _TAIL

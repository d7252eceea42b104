"""The event that Lambda's mapping of a Kinesis stream hands over, as the engine's records.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from dropslot.core.errors import DropslotError
from dropslot.engine.stream_record import StreamRecord


class UnexpectedEventError(DropslotError):
    """The function was called with something that isn't its to serve: it isn't set up as it should be."""


class _Kinesis(msgspec.Struct, rename="camel", gc=False):
    sequence_number: str
    data: str = ""
    approximate_arrival_timestamp: float = 0.0


class _Record(msgspec.Struct, rename={"event_id": "eventID"}, gc=False):
    kinesis: _Kinesis
    event_id: str = ""


class _Event(msgspec.Struct, rename={"records": "Records"}, gc=False):
    records: list[_Record]


def stream_records(event: Mapping[str, Any]) -> list[StreamRecord]:
    """Return the records of an event, in the order of their shard.

    A record whose data is no base64 is kept without data: it counts as broken, like any other nonsense in the stream.

    Raises:
        UnexpectedEventError: it is no batch of a Kinesis stream, or of several shards: then no single sequence number
            could say how far it is resolved.
    """
    try:
        records = msgspec.convert(event, _Event).records
    except msgspec.ValidationError as wrong:
        raise UnexpectedEventError(f"the event is no batch of a Kinesis stream: {wrong}") from None
    if len({record.event_id.partition(":")[0] for record in records}) > 1:
        raise UnexpectedEventError("the event holds records of several shards")
    return [_stream_record(record.kinesis) for record in records]


def _stream_record(record: _Kinesis) -> StreamRecord:
    try:
        data = binascii.a2b_base64(record.data)
    except ValueError:
        data = b""
    return StreamRecord(
        sequence_number=record.sequence_number,
        data=data,
        arrived_epoch_seconds=record.approximate_arrival_timestamp,
    )

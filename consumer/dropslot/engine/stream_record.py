"""One record as a shard delivers it."""

import msgspec


class StreamRecord(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A Kinesis record, as far as the engine needs it.

    Args:
        sequence_number: position in the shard, decimal digits.
        data: the payload as it was put, for our table the change record's JSON.
        arrived_epoch_seconds: when Kinesis took the record.
    """

    sequence_number: str
    data: bytes
    arrived_epoch_seconds: float

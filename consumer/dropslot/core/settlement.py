"""A change record that settles a request, as its client is to be told of it."""

from typing import Final

import msgspec

from dropslot.core import names
from dropslot.core.feedback import Standing
from dropslot.core.item import split_status
from dropslot.core.turn import Turn


class _S(msgspec.Struct, gc=False):
    S: str


class _N(msgspec.Struct, gc=False):
    N: str


class _OldImage(msgspec.Struct, gc=False):
    status: _S
    accepted_at: _N


class _NewImage(msgspec.Struct, gc=False):
    id: _S
    status: _S
    accepted_at: _N
    attempt: _N
    error: _S | None = None
    result: _S | None = None


class _Dynamodb(msgspec.Struct, gc=False, rename="pascal"):
    old_image: _OldImage
    new_image: _NewImage


class _Record(msgspec.Struct, gc=False, rename="camel"):
    event_name: str
    table_name: str
    dynamodb: _Dynamodb


def settlement(data: bytes, table: str) -> Standing | None:
    """Return how a request stands if this record is what settled it.

    None for everything else, broken and foreign records among it: the consumer counts those.

    Args:
        data: the payload as Kinesis delivers it.
        table: only changes of this table are ours.
    """
    try:
        record = _decode(data)
        old, new = record.dynamodb.old_image, record.dynamodb.new_image
        before, after = split_status(old.status.S)[0], split_status(new.status.S)[0]
        turn = Turn(accepted_at=int(new.accepted_at.N), attempt=int(new.attempt.N))
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    if record.table_name != table or record.event_name != "MODIFY" or before not in _UNSETTLED:
        return None
    if after in _UNSETTLED or old.accepted_at.N != new.accepted_at.N:
        return None
    return Standing(
        id=new.id.S,
        turn=turn,
        status=after,
        error=new.error.S if new.error is not None else "",
        result=new.result.S if new.result is not None else "",
    )


_UNSETTLED: Final = frozenset((names.PENDING, names.WAITING))
_decode: Final = msgspec.json.Decoder(_Record).decode

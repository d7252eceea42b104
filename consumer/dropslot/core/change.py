"""Change records: one Kinesis record in the DynamoDB change format, parsed or explained.

Format: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds_using-shards-and-metrics.html
"""

from typing import Final, Literal

import msgspec

from dropslot.core.item import Accepted, State, split_status
from dropslot.core.names import can_be_id


class Change(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A change of a request.

    Args:
        event: INSERT or MODIFY; a REMOVE is a `Removed`.
        accepted: the request as accepted.
        state: its state after the change.
        previous_attempt: the attempt before a MODIFY, when its old image tells.
        created_epoch_ms: when DynamoDB saw the change.
    """

    event: Literal["INSERT", "MODIFY"]
    accepted: Accepted
    state: State
    previous_attempt: int | None
    created_epoch_ms: float


class Removed(msgspec.Struct, frozen=True, gc=False):
    """An item of our table was deleted, by TTL or by hand."""


class Unusable(msgspec.Struct, frozen=True, gc=False):
    """A record that is no change of a request.

    Args:
        kind: ``broken`` (not JSON, or cut off) or ``foreign`` (well-formed, but not ours).
        why: for the log; never holds a payload.
    """

    kind: Literal["broken", "foreign"]
    why: str


class _S(msgspec.Struct, gc=False):
    S: str


class _N(msgspec.Struct, gc=False):
    N: str


class _M(msgspec.Struct, gc=False):
    M: dict[str, _S]


class _NewImage(msgspec.Struct, gc=False):
    id: _S
    request: _S
    accepted_at: _N
    attempt: _N
    status: _S
    tries: _N | None = None
    starts: _N | None = None
    floor: _N | None = None
    rerun: _N | None = None
    type: _S | None = None
    content_type: _S | None = None
    encoding: _S | None = None
    headers: _M | None = None
    ttl: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _OldImage(msgspec.Struct, gc=False):
    attempt: _N | None = None


class _Dynamodb(msgspec.Struct, gc=False):
    ApproximateCreationDateTime: float
    NewImage: msgspec.Raw = msgspec.Raw()
    OldImage: msgspec.Raw = msgspec.Raw()


class _Record(msgspec.Struct, gc=False):
    eventName: str
    tableName: str
    dynamodb: _Dynamodb


#: The last millisecond that a date can have, in the year 9999; no count gets there either.
_MAX_WHOLE: Final = 253_402_300_799_999

_record: Final = msgspec.json.Decoder(_Record)
_new_image: Final = msgspec.json.Decoder(_NewImage)
_old_image: Final = msgspec.json.Decoder(_OldImage)


def parse(data: bytes, table: str) -> Change | Removed | Unusable:
    """Parse one record's payload.

    Args:
        data: the payload as Kinesis delivers it.
        table: only changes of this table are ours.
    """
    try:
        record = _record.decode(data)
    except msgspec.ValidationError as wrong:
        return Unusable("foreign", f"not a change record: {_safe(wrong)}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Unusable("broken", "not JSON")
    if record.tableName != table:
        return Unusable("foreign", "a change of another table")
    if record.eventName == "REMOVE":
        return Removed()
    try:
        return _change(record)
    except (ValueError, RecursionError) as wrong:  # msgspec's errors are ValueErrors
        return Unusable("foreign", f"its image is no request: {_safe(wrong)}")


def _change(record: _Record) -> Change:
    if record.eventName not in {"INSERT", "MODIFY"}:
        raise ValueError("not an INSERT, MODIFY or REMOVE")
    new = _new_image.decode(record.dynamodb.NewImage)
    status, digit = split_status(new.status.S)
    accepted_at = _whole(new.accepted_at)
    if not can_be_id(new.id.S):
        raise ValueError("its id can't be a key")
    return Change(
        event="INSERT" if record.eventName == "INSERT" else "MODIFY",
        accepted=Accepted(
            id=new.id.S,
            accepted_at=accepted_at,
            type=new.type.S if new.type is not None else "",
            body=new.request.S,
            encoding=new.encoding.S if new.encoding is not None else "",
            content_type=new.content_type.S if new.content_type is not None else "",
            headers={name: value.S for name, value in new.headers.M.items()} if new.headers is not None else {},
        ),
        state=State(
            id=new.id.S,
            accepted_at=accepted_at,
            attempt=_whole(new.attempt),
            tries=_whole(new.tries) if new.tries is not None else 0,
            status=status,
            digit=digit,
            settled=bool(new.ttl or new.error),
            starts=_whole(new.starts) if new.starts is not None else 0,
            floor=_whole(new.floor) if new.floor is not None else 0,
            suspected=new.starts is not None,
            rerun=_whole(new.rerun) if new.rerun is not None else 0,
        ),
        previous_attempt=_previous_attempt(record.dynamodb.OldImage),
        created_epoch_ms=epoch_ms(record.dynamodb.ApproximateCreationDateTime),
    )


def epoch_ms(value: float) -> float:
    """Bring a creation time to milliseconds: AWS sends micro- or milliseconds, emulators seconds.

    The precision field is absent for milliseconds and wrong in emulators, but the three scales lie a thousandfold
    apart, so the size of the number tells them from each other for any date from 1973 to 5138.
    """
    if value >= 1e14:
        return value / 1000
    return value if value >= 1e11 else value * 1000


def _previous_attempt(image: msgspec.Raw) -> int | None:
    if not image:
        return None
    attempt = _old_image.decode(image).attempt
    return _whole(attempt) if attempt is not None else None


def _whole(number: _N) -> int:
    # DynamoDB prints the numbers we write without sign, exponent or fraction; anything else isn't ours.
    text = number.N
    if text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_WHOLE)) and int(text) <= _MAX_WHOLE:
        return int(text)
    raise ValueError("a number of it is no count and no time")


def _safe(wrong: Exception) -> str:
    # msgspec names the path and the types, never the value, except for keys of a map (headers): cut those.
    return str(wrong).split(" - at ")[0][:200]

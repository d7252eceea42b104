"""What a client that watches requests is told: one frame per request, all alike, and one for a message it got wrong."""

from typing import Final

import msgspec

from dropslot.core import names
from dropslot.core.turn import Turn

# Attributes of table `connections`, beside `names.ID` (its partition key) and `names.TTL`.
#: Sort key: which connection watches, or is there.
CONNECTION: Final = "connection"
CALLER: Final = "caller"
WATCHES: Final = "watches"

#: A row outlives every connection: API Gateway ends one after two hours
#: (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html).
ROW_SECONDS: Final = 2 * 3600 + 600
#: What one message may ask for, and one connection in its life: it bounds what a client can make the table hold.
WATCH_MAX_IDS: Final = 100
CONNECTION_MAX_WATCHES: Final = 10_000

#: A frame has room for every result that Dropslot writes and stays below API Gateway's limit of 32 KB for one.
RESULT_MAX_BYTES: Final = 16_384

#: Status of what isn't there, or isn't the watcher's: nobody can tell the two apart.
UNKNOWN: Final = "unknown"

_SETTLED: Final = frozenset((names.DONE, names.FAILED))


class Standing(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How a request stands, as far as its client is told.

    Args:
        id: key of the item.
        turn: which time of it this is.
        status: one of pending, waiting, failed, done.
        error: why it failed; "" without one.
        result: what its handler returned, as JSON; "" without one.
    """

    id: str
    turn: Turn
    status: str
    error: str = ""
    result: str = ""

    @property
    def settled(self) -> bool:
        """Whether nothing more is to come."""
        return self.status in _SETTLED


class _Frame(msgspec.Struct, gc=False, omit_defaults=True):
    id: str
    type: str
    status: str
    error: str = ""
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result_omitted: bool = False


class _FaultFrame(msgspec.Struct, gc=False):
    error: str
    message: str


class Fault(msgspec.Struct, frozen=True, gc=False):
    """Why a message can't be taken.

    Args:
        name: short, never changes.
        message: what is wrong and what would be right.
    """

    name: str
    message: str


def standing_frame(type_name: str, public_id: str, standing: Standing | None) -> bytes:
    """Return the frame about one request.

    Args:
        type_name: the type it was asked for by.
        public_id: its id as the HTTP API gives it.
        standing: None when it isn't there.
    """
    if standing is None:
        return _encode(_Frame(public_id, type_name, UNKNOWN))
    frame = _Frame(public_id, type_name, standing.status, standing.error)
    if standing.result:
        result = standing.result.encode("utf-8", "replace")
        # What else is there, somebody else has written; it may not break the frame.
        if len(result) <= RESULT_MAX_BYTES and _is_json(result):
            frame.result = msgspec.Raw(result)
        else:
            frame.result_omitted = True
    return _encode(frame)


def fault_frame(fault: Fault) -> bytes:
    """Return the frame that says what is wrong with a message; unlike the others it has no `id`."""
    return _encode(_FaultFrame(fault.name, fault.message))


def split_id(item_id: str) -> tuple[str, str] | None:
    """Return type and public id of an item's key; None when the API didn't make it."""
    parts = item_id.split(names.ID_SEPARATOR)
    return (parts[1], parts[2]) if len(parts) == 3 else None


def _is_json(text: bytes) -> bool:
    try:
        _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(msgspec.Raw).decode

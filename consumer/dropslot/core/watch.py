"""A client's message: which requests it wants to be told of."""

import re
from typing import Annotated, Final

import msgspec

from dropslot.core.feedback import WATCH_MAX_IDS, Fault

#: The longest type and id there are: larger ones would only come back in the answer.
_TYPE_MAX_CHARS: Final = 64
_ID_MAX_CHARS: Final = 129

#: The same as in api/status.vtl, which finds no request for others.
_ID: Final = re.compile(r"@?[A-Za-z0-9._~-]{1,128}")
_TYPE: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")

_RIGHT: Final = f'expected {{"action": "watch", "type": "orders", "ids": ["a1"]}} with 1 to {WATCH_MAX_IDS} ids'


class Watch(msgspec.Struct, frozen=True, gc=False):
    """What a client asks for.

    Args:
        type: of the requests, the path they were sent to.
        ids: their public ids, each once.
    """

    type: str
    ids: tuple[str, ...]

    @property
    def possible_ids(self) -> tuple[str, ...]:
        """Those that a request can have: the others need no look."""
        return tuple(one for one in self.ids if _ID.fullmatch(one)) if _TYPE.fullmatch(self.type) else ()


class _Message(msgspec.Struct, gc=False):
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=_TYPE_MAX_CHARS)]
    ids: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=_ID_MAX_CHARS)]],
        msgspec.Meta(min_length=1, max_length=WATCH_MAX_IDS),
    ]


def parse_watch(text: str) -> Watch | Fault:
    """Read a message of action `watch`.

    Args:
        text: as the client sent it; whatever it is, it does no more harm than a fault.
    """
    try:
        message = _decode(text)
    except msgspec.ValidationError as wrong:
        return Fault("bad_watch", f"{wrong}; {_RIGHT}.")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Fault("bad_message", f"The message is no JSON; {_RIGHT}.")
    return Watch(message.type, tuple(dict.fromkeys(message.ids)))


def unknown_action(text: str) -> Fault:
    """Say what is wrong with a message that no route is for."""
    fault = parse_watch(text)
    if isinstance(fault, Fault) and fault.name == "bad_message":
        return fault
    return Fault("unknown_action", f"There is no such action; {_RIGHT}.")


_decode: Final = msgspec.json.Decoder(_Message).decode

"""A request as operators see it: its state and its errors, never its body."""

from collections.abc import Mapping
from typing import Any, Final, Self

import msgspec

from dropslot.adapters.requests.rows import Item, state_from
from dropslot.core import names
from dropslot.core.item import State

#: What a row is read from; all of it is in the index, too, but for `status`, of which `queue` is the copy there.
ATTRIBUTES: Final = (
    names.ID,
    names.ACCEPTED_AT,
    names.ATTEMPT,
    names.TRIES,
    names.STARTS,
    names.STATUS,
    names.DUE_AT,
    names.TTL,
    names.TYPE,
    names.LAST_ERROR,
    names.ERROR,
)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One request.

    Args:
        state: as far as it was read.
        due_at: epoch milliseconds: when it is or was to run; of a settled one, when it was settled.
        type: the configured type it came in by.
        last_error: why it had to wait last, "" if it never had to.
        error: why it failed, "" if it hasn't.
        ttl: epoch seconds from which a done one may be deleted; 0 if it isn't done, or wasn't asked for.
    """

    state: State
    due_at: int
    type: str
    last_error: str
    error: str
    ttl: int = 0

    @property
    def caller(self) -> str:
        """Who sent it, as the id tells."""
        return self.state.id.partition(names.ID_SEPARATOR)[0]

    @property
    def public_id(self) -> str:
        """The id that its caller knows."""
        return self.state.id.rpartition(names.ID_SEPARATOR)[2]

    @classmethod
    def from_item(cls, item: Item) -> Self | None:
        """Return an item, or a row of the index; None when it is no request."""
        status: Mapping[str, Any] = item[names.STATUS] if names.STATUS in item else item.get(names.QUEUE, {})
        state = state_from({**item, names.STATUS: status})
        try:
            due_at = int(item[names.DUE_AT]["N"])
            ttl = int(item[names.TTL]["N"]) if names.TTL in item else 0
        except (KeyError, ValueError):
            return None
        if state is None:
            return None
        return cls(
            state=state,
            due_at=due_at,
            type=_text(item, names.TYPE),
            last_error=_text(item, names.LAST_ERROR),
            error=_text(item, names.ERROR),
            ttl=ttl,
        )


def _text(item: Item, name: str) -> str:
    return str(item.get(name, {}).get("S", ""))

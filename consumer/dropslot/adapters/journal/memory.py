"""The table of journals in memory: the same conditions, for tests of handlers, engine and simulation."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Final

from dropslot.adapters.journal.rows import NO_STEPS, entry_from, generation, key_attributes, value_attribute
from dropslot.adapters.requests.rows import Item, attribute
from dropslot.adapters.wire.item_size import ITEM_MAX_BYTES, item_bytes
from dropslot.core import journal, names
from dropslot.core.errors import JournalFullError
from dropslot.core.journal import AsSeen, Condition, Entry, JournalWrite, Key, Owned, Path, Unclaimed
from dropslot.engine.journal_port import Answer

_TABLE: Final = "in memory"


class MemoryJournal:
    """Twin of the DynamoDB adapter. Its items are there to be looked at, in DynamoDB's JSON, by `id` and `run`.

    Args:
        on_call: called before each call is made, with a write's kind, or `newest` or `runs`, and the request's id;
            what it raises comes instead.
    """

    def __init__(self, on_call: Callable[[str, str], None] | None = None) -> None:
        self.items: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self._on_call = on_call

    def put(self, item: Item) -> None:
        """Place an item as it is, in DynamoDB's JSON."""
        self.items[item[names.ID]["S"], item[names.RUN]["S"]] = {
            name: copy.deepcopy(dict(value)) for name, value in item.items()
        }

    def delete(self, key: Key) -> None:
        """Delete an item, as TTL does."""
        self.items.pop((key.id, key.sort), None)

    def entries(self, request_id: str) -> list[Entry]:
        """Return all journals under an id, of all its generations, the oldest first."""
        return [entry_from(item, _TABLE) for (one, _), item in sorted(self.items.items()) if one == request_id]

    async def write(self, write: JournalWrite) -> Answer:
        """See `Journal.write`."""
        self._called(write.kind, write.key.id)
        # DynamoDB, too, looks at each value before it looks for the item.
        for value in write.sets.values():
            _check_size({"": value_attribute(value)}, write)
        place = write.key.id, write.key.sort
        old = self.items.get(place)
        if not _holds(write.condition, old):
            return Answer(applied=False, entry=entry_from(old, _TABLE) if old is not None else None)
        new = _after(write, old)
        _check_size(new, write)
        self.items[place] = new
        tells = not isinstance(write.condition, Owned)
        return Answer(applied=True, entry=entry_from(new, _TABLE) if tells else None)

    async def newest(self, request_id: str, accepted_at: int) -> Entry | None:
        """See `Journal.newest`."""
        self._called("newest", request_id)
        return next(reversed(self._runs(request_id, accepted_at)), None)

    async def runs(self, request_id: str, accepted_at: int) -> Sequence[Entry]:
        """See `Journals.runs`."""
        self._called("runs", request_id)
        return self._runs(request_id, accepted_at)

    def _runs(self, request_id: str, accepted_at: int) -> list[Entry]:
        places = sorted(
            place for place in self.items if place[0] == request_id and place[1].startswith(generation(accepted_at))
        )
        return [entry_from(self.items[place], _TABLE) for place in places]

    def _called(self, name: str, request_id: str) -> None:
        if self._on_call is not None:
            self._on_call(name, request_id)


def _check_size(item: Item, write: JournalWrite) -> None:
    if item_bytes(item) > ITEM_MAX_BYTES:
        raise JournalFullError(f"table {_TABLE}: the journal has no room for {write.kind}")


def _after(write: JournalWrite, old: Item | None) -> dict[str, dict[str, Any]]:
    new: dict[str, Any] = copy.deepcopy(dict(old if old is not None else key_attributes(write.key)))
    if isinstance(write.condition, Unclaimed):
        new[journal.STEPS] = copy.deepcopy(NO_STEPS)
    for name in write.removes:
        new.pop(name, None)
    for path, value in write.sets.items():
        _set(new, path, value_attribute(value))
    return new


def _set(item: dict[str, Any], path: Path, value: dict[str, Any]) -> None:
    *before, last = path
    place: Any = {"M": item}
    for part in before:
        place = place["M"][part] if isinstance(part, str) else place["L"][part]
    if isinstance(last, str):
        place["M"][last] = value
    else:
        place["L"][last : last + 1] = [value]  # past its end it appends


def _holds(condition: Condition, item: Item | None) -> bool:
    if isinstance(condition, Unclaimed):
        return item is None
    if item is None:
        return False
    if isinstance(condition, Owned):
        return item.get(journal.OWNER) == attribute(condition.owner)
    return item.get(names.ATTEMPT) == attribute(condition.attempt) and all(
        item.get(name) == (attribute(value) if value else None) for name, value in _seen(condition).items()
    )


def _seen(condition: AsSeen) -> dict[str, str | int]:
    return {
        journal.OWNER: condition.owner,
        journal.LEASE_UNTIL: condition.lease_until,
        journal.CLOSED: condition.closed,
    }

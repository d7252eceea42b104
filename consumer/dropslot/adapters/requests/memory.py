"""The table of requests in memory: the same conditions, for tests of handlers, engine and simulation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dropslot.adapters.requests.rows import Item, attribute, state_from, unfinished_from
from dropslot.adapters.wire.item_size import ITEM_MAX_BYTES, item_bytes
from dropslot.core import names
from dropslot.core.item import State, Unfinished
from dropslot.core.transitions import Absent, AbsentOrAtMost, Condition, Equals, Insert, Present, Write
from dropslot.engine.ports import WriteResult

#: Limit of a number (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html).
NUMBER_MAX_DIGITS: Final = 38


class MemoryRequests:
    """Twin of the DynamoDB adapter.

    Args:
        on_change: called with old and new item (None: none) after each change, in order: the change feed.
    """

    max_batch = 25

    def __init__(self, on_change: Callable[[Item | None, Item | None], None] | None = None) -> None:
        self.items: dict[str, dict[str, dict[str, Any]]] = {}
        self._on_change = on_change

    def put(self, item: Item) -> None:
        """Place an item as it is, in DynamoDB's JSON."""
        key = item[names.ID]["S"]
        old = self.items.get(key)
        self.items[key] = {name: dict(value) for name, value in item.items()}
        self._changed(old, self.items[key])

    def delete(self, key: str) -> None:
        """Delete an item, as TTL does."""
        old = self.items.pop(key, None)
        if old is not None:
            self._changed(old, None)

    async def read(self, ids: Sequence[str]) -> Mapping[str, State]:
        """See `Requests.read`."""
        states = (state_from(self.items[key]) for key in dict.fromkeys(ids) if key in self.items)
        return {state.id: state for state in states if state is not None}

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        """See `Requests.write`."""
        self._check_batch(writes)
        return [self._write(write) for write in writes]

    async def restore(self, inserts: Sequence[Insert]) -> Sequence[WriteResult]:
        """See `Restoring.restore`."""
        self._check_batch(inserts)
        return [self._insert(insert) for insert in inserts]

    async def paused(self) -> bool:
        """See `PauseSign.paused`."""
        return names.PAUSED_AT in self.items.get(names.CONTROL_ID, {})

    async def unfinished(
        self, queue: str, *, due_before_ms: int, limit: int, after: Unfinished | None = None
    ) -> Sequence[Unfinished]:
        """See `Requests.unfinished`."""
        rows = (unfinished_from(item) for item in self.items.values() if item.get(names.QUEUE) == {"S": queue})
        due = [row for row in rows if row is not None and row.due_at <= due_before_ms]
        left = (row for row in due if after is None or _place(row) > _place(after))
        return sorted(left, key=_place)[:limit]

    async def count_unfinished(self, queue: str, *, due_before_ms: int | None = None, limit: int) -> int:
        """See `UnfinishedCount.count_unfinished`."""
        rows = (item for item in self.items.values() if item.get(names.QUEUE) == {"S": queue})
        due = [row for row in rows if due_before_ms is None or float(row[names.DUE_AT]["N"]) <= due_before_ms]
        return min(len(due), limit)

    def _check_batch(self, writes: Sequence[Write | Insert]) -> None:
        if len(writes) > self.max_batch or len({write.id for write in writes}) < len(writes):
            raise ValueError(f"a batch holds at most {self.max_batch} writes, each for another id")

    def _insert(self, insert: Insert) -> WriteResult:
        if insert.id in self.items:
            return WriteResult.REFUSED
        item = {name: attribute(value) for name, value in {names.ID: insert.id, **insert.attributes}.items()}
        if item_bytes(item) > ITEM_MAX_BYTES:
            return WriteResult.TOO_LARGE
        self.put(item)
        return WriteResult.APPLIED

    def _write(self, write: Write) -> WriteResult:
        if any(isinstance(value, int) and len(str(abs(value))) > NUMBER_MAX_DIGITS for value in write.sets.values()):
            return WriteResult.INVALID
        old = self.items.get(write.id)
        if old is None or not all(_holds(condition, old) for condition in write.conditions):
            return WriteResult.REFUSED
        new = {name: value for name, value in old.items() if name not in write.removes}
        new |= {name: attribute(value) for name, value in write.sets.items()}
        if item_bytes(new) > ITEM_MAX_BYTES:
            return WriteResult.TOO_LARGE
        self.items[write.id] = new
        self._changed(old, new)
        return WriteResult.APPLIED

    def _changed(self, old: Item | None, new: Item | None) -> None:
        if self._on_change is not None and old != new:  # a write that changes nothing makes no change record
            self._on_change(old, new)


def _place(row: Unfinished) -> tuple[int, str]:
    return row.due_at, row.state.id


def _holds(condition: Condition, item: Item) -> bool:
    value = item.get(condition.name)
    if isinstance(condition, Present):
        return value is not None
    if isinstance(condition, Absent):
        return value is None
    if isinstance(condition, Equals):
        return value == attribute(condition.value)
    assert isinstance(condition, AbsentOrAtMost)  # noqa: S101 - the union has no other
    return value is None or ("N" in value and int(value["N"]) <= condition.value)

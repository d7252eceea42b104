"""The table of requests behind a network: the memory twin, an index that lags, and a port that fails as AWS does."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from typing import Any, Final, Protocol

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import Item, unfinished_from
from dropslot.core import names
from dropslot.core.errors import TransientError
from dropslot.core.item import State, Unfinished
from dropslot.core.transitions import Insert, Write
from dropslot.engine.ports import WriteResult
from tests.simulation.faults import Faults
from tests.simulation.holder import Holder, current_holder
from tests.simulation.loop import Loop

#: The network and the table belong to no process: what was sent arrives although its sender died.
NOBODY: Final = Context()

#: An answer that takes longer is late.
LATE_SECONDS: Final = 1.0
#: How far the index may lag behind.
INDEX_LAG_MAX_SECONDS: Final = 20.0


class DefectError(Exception):
    """A fault that no code expects, such as a bug in a library."""


class Watcher(Protocol):
    """Sees each write that reaches the table, before anybody else is told.

    `actor` says who changes it otherwise; "" for nobody.
    """

    actor: str

    def writing(self, write: Write | Insert, holder: Holder) -> None:
        """See it come.

        Args:
            write: the write.
            holder: who sent it.
        """
        ...

    def written(self, write: Write | Insert, result: WriteResult, holder: Holder) -> None:
        """See what the table answers to it."""
        ...


class Index:
    """The index `unfinished`, some time behind the table.

    Args:
        loop: time.
        faults: decide about the lag.
    """

    def __init__(self, loop: Loop, faults: Faults) -> None:
        self._loop = loop
        self._faults = faults
        self._version = 0
        self._seen: dict[str, int] = {}
        self._queue_of: dict[str, str] = {}
        self._rows: dict[str, dict[str, Unfinished]] = {}
        self._items: dict[str, Item] = {}

    def changed(self, key: str, item: Item | None) -> None:
        """Take a change of the table, now or later."""
        self._version += 1
        row = unfinished_from(item) if item is not None else None
        queue = item[names.QUEUE]["S"] if item is not None and row is not None else ""
        if self._faults.strikes("stale_index", 0.5, self._loop.time()):
            lag = self._faults.uniform(0, INDEX_LAG_MAX_SECONDS)
            self._loop.call_later(lag, self._apply, key, self._version, queue, row, item, context=NOBODY)
        else:
            self._apply(key, self._version, queue, row, item)

    def query(self, queue: str, due_before_ms: int, after: Unfinished | None) -> list[Unfinished]:
        """Return rows in their order."""
        rows = [row for row in self._rows[queue].values() if row.due_at <= due_before_ms]
        rows.sort(key=_place)
        return rows if after is None else [row for row in rows if _place(row) > _place(after)]

    def has(self, queue: str) -> bool:
        """Tell whether there are rows at all."""
        return bool(self._rows.get(queue))

    def items(self) -> list[Item]:
        """Return what the rows are made from: operators see more of them."""
        return [self._items[key] for key in self._queue_of]

    def _apply(self, key: str, version: int, queue: str, row: Unfinished | None, item: Item | None) -> None:
        if version < self._seen.get(key, 0):
            return
        self._seen[key] = version
        before = self._queue_of.pop(key, None)
        if before is not None:
            self._rows[before].pop(key, None)
        if row is not None and item is not None:
            self._rows.setdefault(queue, {})[key] = row
            self._queue_of[key] = queue
            self._items[key] = item


class Port:
    """One process's connection to the table.

    Args:
        loop: time.
        faults: decide what fails.
        table: the table itself.
        index: its index.
        watcher: sees the writes.
        silent: told of an outcome of which whoever wrote it doesn't hear, or not soon.
    """

    max_batch = 25

    def __init__(
        self,
        loop: Loop,
        faults: Faults,
        table: MemoryRequests,
        index: Index,
        watcher: Watcher,
        *,
        silent: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop = loop
        self._faults = faults
        self._table = table
        self._index = index
        self._watcher = watcher
        self._silent = silent

    async def read(self, ids: Sequence[str]) -> Mapping[str, State]:
        """See `Requests.read`."""

        def read() -> Mapping[str, State]:
            states: Mapping[str, State] = _result_of(self._table.read(ids))
            return states

        states: Mapping[str, State] = await self._call(read)
        return states

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        """See `Requests.write`."""
        if len(writes) > self.max_batch or len({write.id for write in writes}) < len(writes):
            raise ValueError("no valid batch")

        holder = current_holder()

        def write_all() -> Sequence[WriteResult]:
            return [self._write(write, holder) for write in writes]

        settles = any(write.transition == names.DONE for write in writes)
        results: Sequence[WriteResult] = await self._call(write_all, silent=self._silent if settles else None)
        return results

    async def unfinished(
        self, queue: str, *, due_before_ms: int, limit: int, after: Unfinished | None = None
    ) -> Sequence[Unfinished]:
        """See `Requests.unfinished`."""
        if not self._index.has(queue):  # most queues are empty, most of the time: no need to travel there
            if self._faults.outage(self._loop.time()):
                raise TransientError("out of reach")
            return []
        rows: list[Unfinished] = await self._call(lambda: self._index.query(queue, due_before_ms, after)[:limit])
        return rows

    async def paused(self) -> bool:
        """See `PauseSign.paused`; nobody here pauses anything."""
        return False

    async def count_unfinished(self, queue: str, *, due_before_ms: int | None = None, limit: int) -> int:
        """See `UnfinishedCount.count_unfinished`."""
        rows = await self.unfinished(queue, due_before_ms=due_before_ms or self._loop.now_ms(), limit=limit)
        return len(rows)

    async def call(self, work: Callable[[], Any]) -> Any:
        """Make another call over this connection.

        Args:
            work: makes a coroutine of a twin, which waits for nothing.
        """
        return await self._call(lambda: _result_of(work()))

    async def _call(self, act: Callable[[], Any], *, silent: Callable[[], None] | None = None) -> Any:
        answer = self._loop.create_future()
        latency = self._faults.latency(self._loop.time())
        self._loop.call_later(latency, self._arrive, answer, act, silent, context=NOBODY)
        return await answer

    def _arrive(self, answer: "asyncio.Future[Any]", act: Callable[[], Any], silent: Callable[[], None] | None) -> None:
        now, strikes = self._loop.time(), self._faults.strikes
        if self._faults.outage(now) or strikes("errors", 0.15, now):
            self._reply(answer, TransientError("out of reach"))
        elif strikes("defect", 0.01, now):
            self._reply(answer, DefectError("nobody expected this"))
        else:
            result = act()
            lost = strikes("lost_answers", 0.15, now)
            late = self._reply(answer, TransientError("answer lost") if lost else result)
            if silent is not None and (lost or late):
                silent()

    def _reply(self, answer: "asyncio.Future[Any]", result: Any) -> bool:
        """Send an answer; tell whether it comes late."""
        latency = self._faults.latency(self._loop.time())
        self._loop.call_later(latency, _settle, answer, result, context=NOBODY)
        return latency > LATE_SECONDS

    def _write(self, write: Write, holder: Holder) -> WriteResult:
        now, strikes = self._loop.time(), self._faults.strikes
        if strikes("retries", 0.15, now):
            if strikes("retries", 0.3, now):  # an internal error tells nothing: it may have been written
                self._applied(write, holder)
            return WriteResult.RETRY
        if strikes("no_room", 0.5, now) and (
            names.RESULT in write.sets or len(str(write.sets.get(names.LAST_ERROR, ""))) > 0
        ):
            return WriteResult.TOO_LARGE
        return self._applied(write, holder)

    def _applied(self, write: Write, holder: Holder) -> WriteResult:
        self._watcher.writing(write, holder)
        result = self._table._write(write)
        self._watcher.written(write, result, holder)
        return result


def _settle(answer: "asyncio.Future[Any]", result: Any) -> None:
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)


def _result_of(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as returned:
        return returned.value
    raise AssertionError("the twin waits for nothing")


def _place(row: Unfinished) -> tuple[int, str]:
    return row.due_at, row.state.id

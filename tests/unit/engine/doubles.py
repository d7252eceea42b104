"""Doubles of the engine's ports that a test controls: time, the table's availability, and when handlers end."""

import asyncio
import functools
import heapq
import itertools
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, ParamSpec

from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import Item
from dropslot.core.errors import TransientError
from dropslot.core.item import State, Unfinished
from dropslot.core.policy import Ending, Policy
from dropslot.core.request import Request
from dropslot.core.transitions import Write
from dropslot.engine.backoff import Backoff
from dropslot.engine.execution import ANY_TYPE
from dropslot.engine.options import ShardOptions
from dropslot.engine.ports import Runner, WriteResult
from dropslot.engine.shard import Shard
from dropslot.engine.stream_record import StreamRecord
from tests.unit.core.images import ACCEPTED_AT_MS, TABLE, Image, image, record

P = ParamSpec("P")

#: A test that takes longer hangs; none waits for real time.
HANGS_AFTER_SECONDS = 20


def asynchronous(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a loop of its own; one that hangs fails."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def limited() -> None:
            await asyncio.wait_for(test(*args, **kwargs), HANGS_AFTER_SECONDS)

        asyncio.run(limited())

    return run


async def settle(rounds: int = 30) -> None:
    """Let everything run that can run without time passing."""
    for _ in range(rounds):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other threads do; the test's own limit ends it."""
    while not condition():  # noqa: ASYNC110 - other threads set no event of this loop
        await asyncio.sleep(0.001)


class VirtualClock:
    """Time that stands still until the test moves it."""

    def __init__(self, now_ms: int = ACCEPTED_AT_MS) -> None:
        self._now_ms = float(now_ms)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.slept: list[float] = []

    def now_ms(self) -> int:
        """Return epoch milliseconds."""
        return int(self._now_ms)

    async def sleep(self, seconds: float) -> None:
        """Wait for the test to move time."""
        self.slept.append(seconds)
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_ms + seconds * 1000, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move time, waking whoever sleeps at the right moment."""
        await settle()
        end = self._now_ms + seconds * 1000
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now_ms, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
            await settle()
        self._now_ms = end
        await settle()


class FlakyRequests:
    """The table behind faults that the test turns on and off.

    Args:
        inner: the table itself.
    """

    max_batch = 25

    def __init__(self, inner: MemoryRequests) -> None:
        self.inner = inner
        self.reachable = True
        self.batches: list[list[Write]] = []
        self.reads: list[list[str]] = []
        #: Called with each write before it is made; a result other than None is answered instead.
        self.instead: Callable[[Write], WriteResult | None] = lambda _: None
        #: Awaited after a batch was made, before it is answered.
        self.before_answer: Callable[[], Awaitable[None]] | None = None

    async def read(self, ids: Sequence[str]) -> Mapping[str, State]:
        """See `Requests.read`."""
        await asyncio.sleep(0)
        self.reads.append(list(ids))
        if not self.reachable:
            raise TransientError("out of reach")
        return await self.inner.read(ids)

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        """See `Requests.write`."""
        await asyncio.sleep(0)
        self.batches.append(list(writes))
        if not self.reachable:
            raise TransientError("out of reach")
        results = []
        for write in writes:
            result = self.instead(write)
            results.append(result if result is not None else (await self.inner.write([write]))[0])
        if self.before_answer is not None:
            await self.before_answer()
        return results

    async def unfinished(
        self, queue: str, *, due_before_ms: int, limit: int, after: Unfinished | None = None
    ) -> Sequence[Unfinished]:
        """See `Requests.unfinished`."""
        if not self.reachable:
            raise TransientError("out of reach")
        return await self.inner.unfinished(queue, due_before_ms=due_before_ms, limit=limit, after=after)

    async def count_unfinished(self, queue: str, *, due_before_ms: int | None = None, limit: int) -> int:
        """See `UnfinishedCount.count_unfinished`."""
        if not self.reachable:
            raise TransientError("out of reach")
        return await self.inner.count_unfinished(queue, due_before_ms=due_before_ms, limit=limit)

    async def paused(self) -> bool:
        """See `PauseSign.paused`."""
        if not self.reachable:
            raise TransientError("out of reach")
        return await self.inner.paused()


class ScriptedRunner:
    """Ends each call when and how the test says.

    Args:
        script: returns the ending of a request, or awaits the test's leave first.
    """

    def __init__(self, script: Callable[[Request], Awaitable[Ending]]) -> None:
        self._script = script
        self.calls: list[Request] = []
        self.running = 0
        self.most_running = 0
        self.lost = 0
        self.stepped = None
        self.closed = False

    async def call(self, request: Request) -> Ending:
        """See `Runner.call`."""
        self.calls.append(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await self._script(request)
        finally:
            self.running -= 1

    def close(self) -> None:
        """See `Runner.close`."""
        self.closed = True


class Gates:
    """Holds every call until the test lets it go with an ending."""

    def __init__(self) -> None:
        self._gates: dict[str, list[asyncio.Future[Ending]]] = {}

    async def __call__(self, request: Request) -> Ending:
        """Wait for `end`."""
        gate: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._gates.setdefault(request.id, []).append(gate)
        return await gate

    def end(self, request_id: str, ending: Ending) -> None:
        """Let the oldest call of a request end."""
        self._gates[request_id].pop(0).set_result(ending)

    def held(self) -> list[str]:
        """Return the ids of the calls that wait."""
        return [request_id for request_id, gates in self._gates.items() for _ in gates]


class Bench:
    """A shard over the memory twin, with everything around it in the test's hand; its change feed is `feed`."""

    def __init__(
        self,
        runner: Runner | Mapping[str, Runner],
        *,
        concurrency: int = 64,
        policy: Policy | None = None,
        fresh_ms: float = 5_000,
    ) -> None:
        self.clock = VirtualClock()
        self.feed: list[StreamRecord] = []
        self.changes: list[tuple[Item | None, Item | None]] = []
        self.table = MemoryRequests(on_change=self._changed)
        self.requests = FlakyRequests(self.table)
        self.counters = MemoryCounters()
        self._sequence = itertools.count(1)
        self._runner = runner
        self._options = ShardOptions(
            table=TABLE,
            concurrency=concurrency,
            fresh_ms=fresh_ms,
            ttl_seconds=300,
            policy=policy if policy is not None else Policy(),
        )
        self.shard = self.new_shard()

    def new_shard(self, *, up_since_ms: float | None = None) -> Shard:
        """Return another process's shard over the same table."""
        runners = self._runner if isinstance(self._runner, Mapping) else {ANY_TYPE: self._runner}
        return Shard(
            requests=self.requests,
            runners=runners,
            clock=self.clock,
            counters=self.counters,
            backoff=Backoff(),
            options=self._options,
            up_since_ms=up_since_ms,
        )

    def accept(self, request_id: str = "caller#one", /, **attributes: str | int | None) -> StreamRecord:
        """Put a request into the table; return its change record."""
        item = image(request_id, **{"accepted_at": self.clock.now_ms(), "due_at": self.clock.now_ms(), **attributes})
        self.table.put(item)
        return self.feed[-1]

    def record(self, new: Item | None, old: Item | None = None, **fields: Any) -> StreamRecord:
        """Return a fresh record of two images."""
        fields = {"created": self.clock.now_ms() * 1000, **fields}
        return self.raw(json.dumps(record(new, old, **fields)).encode())

    def raw(self, payload: bytes) -> StreamRecord:
        """Return a record with this payload."""
        return StreamRecord(
            sequence_number=str(next(self._sequence)),
            data=payload,
            arrived_epoch_seconds=self.clock.now_ms() / 1000,
        )

    def again(self, earlier: StreamRecord) -> StreamRecord:
        """Return the same change, delivered once more behind the others."""
        return StreamRecord(
            sequence_number=str(next(self._sequence)),
            data=earlier.data,
            arrived_epoch_seconds=earlier.arrived_epoch_seconds,
        )

    def item(self, request_id: str = "caller#one") -> Image:
        """Return an item as it stands."""
        return self.table.items[request_id]

    def status(self, request_id: str = "caller#one") -> str:
        """Return an item's status without its digit."""
        return str(self.item(request_id)["status"]["S"]).partition("-")[0]

    async def run(self, *records: StreamRecord) -> None:
        """Submit records and wait until all is resolved; time moves on by itself."""
        submitting = asyncio.create_task(self.shard.submit(records))
        while not submitting.done():
            await self.clock.advance(0.2)
        await submitting
        draining = asyncio.create_task(self.shard.drain())
        while not draining.done():
            await self.clock.advance(0.2)
        await draining

    def _changed(self, old: Item | None, new: Item | None) -> None:
        self.changes.append((old, new))
        self.feed.append(self.record(new, old))

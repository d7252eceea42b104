"""A saga of five steps in processes that die at a point of the test's choice, on the twins."""

import asyncio
import heapq
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from dropslot import AsyncSteps, Reject, RetryLater, StepPolicy, step_key
from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.journal.memory import MemoryJournal
from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import Item
from dropslot.core.item import State, Unfinished
from dropslot.core.journal import Entry, JournalWrite
from dropslot.core.request import Request
from dropslot.core.transitions import Write
from dropslot.engine.backoff import Backoff
from dropslot.engine.execution import ANY_TYPE
from dropslot.engine.journal_port import Answer
from dropslot.engine.options import ShardOptions
from dropslot.engine.ports import WriteResult
from dropslot.engine.shard import Shard
from dropslot.engine.steps.stepping import StepOptions, Stepping
from dropslot.engine.stream_record import StreamRecord
from dropslot.engine.sweep import Sweep, SweepOptions
from tests.unit.core.images import ACCEPTED_AT_MS, TABLE, image, record
from tests.unit.engine.doubles import VirtualClock
from tests.unit.engine.steps.stepped import InlineSteppedRunner

T = TypeVar("T")

STEPS = ("reserve", "charge", "pack", "label", "ship")
REQUEST_ID = "caller#one"
REJECTED = "the street doesn't exist"

#: Longer than a lease, and shorter: the next process finds the request free, or held by the dead.
PAUSES_SECONDS = (40.0, 1.0)
#: A request that isn't settled by then never will be.
GIVE_UP_MS = 3_600_000
_SWEEP_SECONDS = 20.0
_GRACE_MS = 60_000


class JumpingClock(VirtualClock):
    """Time that goes to the next moment at which somebody wakes."""

    def pass_by(self, seconds: float) -> None:
        """Move time while nobody lives; who slept has died."""
        self._now_ms += 1000 * seconds
        self._sleepers.clear()

    async def jump(self) -> None:
        """Wake whoever sleeps the shortest, once nobody else has anything to do."""
        await idle()
        if self._sleepers:
            self._now_ms, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
            await idle()


async def idle() -> None:
    """Let everything run that can run without time passing; quicker than `settle`, and never too short."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    while ready:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0)


class World:
    """What outlives processes: both tables, the change feed, and what the steps have done.

    Args:
        rejects: the handler rejects the request behind its steps.
        faults: how often a step, or an undo, meets an error that passes.
    """

    def __init__(self, *, rejects: bool = False, faults: Mapping[str, int] | None = None) -> None:
        self.clock = JumpingClock()
        self.feed: list[StreamRecord] = []
        self.changed = asyncio.Event()
        self.table = MemoryRequests(on_change=self._on_change)
        self.journal = MemoryJournal()
        self.rejects = rejects
        self.faults = dict(faults if faults is not None else {})
        #: What has taken effect, in order: steps, undos, and the journal's turn.
        self.log: list[str] = []
        self.keys: dict[str, set[str]] = {}
        #: Effects that a process had made when it died, and that no journal knew of.
        self.unknown: Counter[str] = Counter()
        self.table.put(image(REQUEST_ID))

    @property
    def entry(self) -> Entry | None:
        """The journal of the newest run."""
        return next(reversed(self.journal.entries(REQUEST_ID)), None)

    @property
    def item(self) -> Item:
        """The request."""
        return self.table.items[REQUEST_ID]

    @property
    def is_settled(self) -> bool:
        """The request has its outcome."""
        return "ttl" in self.item or "error" in self.item

    def known(self) -> set[str]:
        """Return the effects that the journal knows of."""
        steps = self.entry.steps if self.entry is not None else ()
        return {step.name for step in steps} | {f"undo {step.name}" for step in steps if step.undone_at}

    def _on_change(self, old: Item | None, new: Item | None) -> None:
        change = record(new, old, created=self.clock.now_ms() * 1000)
        self.feed.append(
            StreamRecord(
                sequence_number=str(len(self.feed) + 1),
                data=json.dumps(change).encode(),
                arrived_epoch_seconds=self.clock.now_ms() / 1000,
            )
        )
        self.changed.set()


class Process:
    """One worker: a shard that gets the whole feed, and a sweep; it dies at the point of this number.

    Args:
        world: what outlives it.
        dies_at: counted from 0, or a point's name; None: never.
    """

    def __init__(self, world: World, dies_at: int | str | None = None) -> None:
        self.world = world
        self.dies_at = dies_at
        self.points: list[str] = []
        self.is_dead = False
        self._effects: list[str] = []

    async def live(self) -> None:
        """Work until the request is settled, or until it dies."""
        world, clock = self.world, self.world.clock
        counters, requests = MemoryCounters(), _Requests(self)
        options = StepOptions(limit_seconds=1000)
        stepping = Stepping(_Journal(self), clock=clock, counters=counters, backoff=Backoff(), options=options)
        shard = Shard(
            requests=requests,
            runners={ANY_TYPE: InlineSteppedRunner(self._handle)},
            clock=clock,
            counters=counters,
            backoff=Backoff(),
            options=ShardOptions(table=TABLE),
            stepping=stepping,
        )
        sweep = Sweep(
            requests=requests,
            clock=clock,
            counters=counters,
            options=SweepOptions(interval_seconds=_SWEEP_SECONDS, grace_ms=_GRACE_MS),
        )
        tasks = [asyncio.create_task(self._deliver(shard)), asyncio.create_task(sweep.run())]
        while not (self.is_dead or (world.is_settled and shard.complete)):
            await clock.jump()
            assert clock.now_ms() < ACCEPTED_AT_MS + GIVE_UP_MS, f"never settled; its last points: {self.points[-9:]}"
        shard.close()
        self.is_dead = True
        for task in tasks:
            task.cancel()
        await end_all_tasks()

    async def call(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """Make a call of a port, between the two points at which it may be cut off."""
        await self.point(f"before {name}")
        answer = await work()
        await self.point(f"after {name}")
        return answer

    async def point(self, name: str) -> None:
        """Pass a point, or die at it."""
        if not self.is_dead:
            self.points.append(name)
            self.is_dead = self.dies_at in {len(self.points) - 1, name}
            if self.is_dead:
                self.world.unknown.update(effect for effect in self._effects if effect not in self.world.known())
        if self.is_dead:  # nothing comes after that
            await asyncio.get_running_loop().create_future()

    async def _deliver(self, shard: Shard) -> None:
        delivered = 0
        while True:
            records, delivered = self.world.feed[delivered:], len(self.world.feed)
            self.world.changed.clear()
            await shard.submit(records)
            await self.world.changed.wait()

    async def _handle(self, _: Request, steps: AsyncSteps) -> dict[str, Any]:
        policy = StepPolicy(tries=1)
        receipts = [await steps.run(name, self._act, name, undo=self._undo, policy=policy) for name in STEPS]
        if self.world.rejects:
            raise Reject(REJECTED)
        return {"receipts": receipts}

    async def _act(self, name: str) -> str:
        await self._called(name)
        return f"receipt of {name}"

    async def _undo(self, receipt: str, name: str) -> None:
        assert receipt == f"receipt of {name}"
        await self._called(f"undo {name}")

    async def _called(self, name: str) -> None:
        await self.point(f"before {name}")
        self.world.keys.setdefault(name, set()).add(step_key())
        if self.world.faults.get(name, 0):
            self.world.faults[name] -= 1
            raise RetryLater(after_seconds=20)
        self.world.log.append(name)
        self._effects.append(name)
        await self.point(f"after {name}")


async def end_all_tasks() -> None:
    """Cancel whatever still runs on this loop."""
    for _ in range(3):
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await idle()


class _Requests:
    """The table of requests, as one process has it."""

    max_batch = 25

    def __init__(self, process: Process) -> None:
        self._process = process
        self._inner = process.world.table

    async def read(self, ids: Sequence[str]) -> Mapping[str, State]:
        """See `Requests.read`."""
        return await self._process.call("read", lambda: self._inner.read(ids))

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        """See `Requests.write`."""
        kinds = "+".join(write.transition for write in writes)
        return await self._process.call(kinds, lambda: self._inner.write(writes))

    async def unfinished(
        self, queue: str, *, due_before_ms: int, limit: int, after: Unfinished | None = None
    ) -> Sequence[Unfinished]:
        """See `Requests.unfinished`; nothing hangs on when it is cut off."""
        if self._process.is_dead:
            return []
        return await self._inner.unfinished(queue, due_before_ms=due_before_ms, limit=limit, after=after)


class _Journal:
    """The table of journals, as one process has it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._inner = process.world.journal

    async def write(self, write: JournalWrite) -> Answer:
        """See `Journal.write`."""

        async def make() -> Answer:
            answer = await self._inner.write(write)
            if write.kind == "turn" and answer.applied:
                self._process.world.log.append("turn")
            return answer

        return await self._process.call(write.kind, make)

    async def newest(self, request_id: str, accepted_at: int) -> Entry | None:
        """See `Journal.newest`."""
        return await self._process.call("newest", lambda: self._inner.newest(request_id, accepted_at))

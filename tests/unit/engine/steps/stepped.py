"""A shard whose handler takes steps, over both twins, and what its steps call: all in the test's hand."""

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from dropslot import AsyncSteps, Steps, step_key
from dropslot.adapters.journal.memory import MemoryJournal
from dropslot.core import transitions
from dropslot.core.errors import TransientError
from dropslot.core.journal import Entry, JournalWrite
from dropslot.core.policy import Ending, Policy, Raised, Returned
from dropslot.core.request import Request
from dropslot.engine.backoff import Backoff
from dropslot.engine.execution import ANY_TYPE
from dropslot.engine.handler import Handler
from dropslot.engine.journal_port import Answer
from dropslot.engine.ports import Runner, SteppedRunner
from dropslot.engine.shard import Shard
from dropslot.engine.steps.runners import make_stepped_runner
from dropslot.engine.steps.stepping import StepOptions, Stepping
from dropslot.engine.steps.threads import StepThreads
from dropslot.engine.steps.visit import Undo, Visit
from dropslot.engine.sweep import Sweep, SweepOptions
from tests.unit.engine.doubles import Bench

Handle = Callable[[Request, Any], Any]

#: The sweep's pause in tests, and how long it leaves a pending request alone.
SWEEP_SECONDS = 5.0
GRACE_MS = 300_000


class InlineSteppedRunner:
    """Calls an async handler with its steps on the engine's own loop: no thread, so the same every time."""

    lost = 0

    def __init__(self, function: Handle) -> None:
        self._function = function

    @property
    def stepped(self) -> SteppedRunner:
        """See `Runner.stepped`."""
        return self

    async def call(self, request: Request) -> Ending:
        """See `Runner.call`."""
        raise NotImplementedError

    async def call_with(self, request: Request, visit: Visit) -> Ending:
        """See `SteppedRunner.call_with`."""
        return await ending_of(self._function(request, self._steps(visit)))

    async def undo(self, request: Request, visit: Visit, undos: list[Undo]) -> Ending:
        """See `SteppedRunner.undo`."""
        return await ending_of(self._steps(visit).undo(undos))

    def close(self) -> None:
        """Nothing runs between calls."""

    def _steps(self, visit: Visit) -> AsyncSteps:
        return AsyncSteps(visit, asyncio.get_running_loop(), StepThreads())


async def ending_of(work: Awaitable[object]) -> Ending:
    """Return how something that is awaited ends; the end of its process is none."""
    try:
        return Returned(await work)
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - as the real runners do
        return Raised(error)


class FlakyJournal:
    """The table of journals behind faults that the test turns on and off.

    Args:
        inner: the table itself.
    """

    def __init__(self, inner: MemoryJournal) -> None:
        self.inner = inner
        self.reachable = True
        self.writes: list[JournalWrite] = []
        self.reads = 0
        #: Kinds of writes whose next answer is lost after they were made.
        self.lost_answers: list[str] = []
        #: Awaited before each write is made.
        self.before: Callable[[JournalWrite], Awaitable[None]] | None = None

    @property
    def kinds(self) -> list[str]:
        """Return the kinds of the writes that were asked for."""
        return [write.kind for write in self.writes]

    async def write(self, write: JournalWrite) -> Answer:
        """See `Journal.write`."""
        await asyncio.sleep(0)
        self.writes.append(write)
        if self.before is not None:
            await self.before(write)
        if not self.reachable:
            raise TransientError("out of reach")
        answer = await self.inner.write(write)
        if write.kind in self.lost_answers:
            self.lost_answers.remove(write.kind)
            raise TransientError("its answer was lost")
        return answer

    async def newest(self, request_id: str, accepted_at: int) -> Entry | None:
        """See `Journal.newest`."""
        await asyncio.sleep(0)
        self.reads += 1
        if not self.reachable:
            raise TransientError("out of reach")
        return await self.inner.newest(request_id, accepted_at)


class StepBench(Bench):
    """A shard with steps; see `Bench`.

    Args:
        handle: the handler. An async one is called on the engine's own loop, a plain one in a thread.
        runner: calls it instead.
        policy: how endings are judged.
        lease_ms: of journals.
        limit_seconds: the time limit of handlers, as steps know it; by the clock of the test.
    """

    def __init__(
        self,
        handle: Handle,
        *,
        runner: Runner | None = None,
        policy: Policy | None = None,
        lease_ms: int = 30_000,
        limit_seconds: float = 60.0,
    ) -> None:
        self.journal = FlakyJournal(MemoryJournal())
        self._step_options = StepOptions(lease_ms=lease_ms, limit_seconds=limit_seconds)
        #: No thread is to be waited for.
        self.is_inline = runner is None and inspect.iscoroutinefunction(handle)
        self._delivered = 0
        if runner is None:
            runner = InlineSteppedRunner(handle) if self.is_inline else threaded(handle)
        super().__init__(runner, policy=policy)

    def new_shard(self, *, up_since_ms: float | None = None) -> Shard:
        """Return another process's shard over the same tables."""
        stepping = Stepping(
            self.journal,
            clock=self.clock,
            counters=self.counters,
            backoff=Backoff(),
            options=self._step_options,
        )
        assert not isinstance(self._runner, dict)
        return Shard(
            requests=self.requests,
            runners={ANY_TYPE: self._runner},  # type: ignore[dict-item]
            clock=self.clock,
            counters=self.counters,
            backoff=Backoff(),
            options=self._options,
            up_since_ms=up_since_ms,
            stepping=stepping,
        )

    @property
    def entry(self) -> Entry:
        """The journal of the newest run of the only request."""
        return self.entries[-1]

    @property
    def entries(self) -> list[Entry]:
        """The journals of all runs of the only request."""
        return self.journal.inner.entries("caller#one")

    async def go(self, seconds: float = 0.0) -> str:
        """Move time, deliver what the feed holds, and run it; return the request's status."""
        if seconds:
            await self.clock.advance(seconds)
        records, self._delivered = self.feed[self._delivered :], len(self.feed)
        working = asyncio.create_task(self._work_on(records))
        while not working.done():
            if self.is_inline:
                await self.clock.advance(0.2)
            else:  # in step with the threads
                await asyncio.sleep(0.001)
                await self.clock.advance(0.02)
        await working
        return self.status()

    async def sweep(self, seconds: float = SWEEP_SECONDS) -> str:
        """Move time, let the sweep redrive what is due, and run that; return the request's status."""
        await self.clock.advance(seconds)
        options = SweepOptions(grace_ms=GRACE_MS)
        await Sweep(requests=self.requests, clock=self.clock, counters=self.counters, options=options).once()
        return await self.go()

    async def accepted(self) -> str:
        """Accept the request and run it; return its status."""
        self.accept()
        return await self.go()

    async def retry(self, *, undo_only: bool = False) -> str:
        """Retry the failed request as an operator does, and run it; return its status."""
        item = self.item()
        state = (await self.table.read(["caller#one"]))["caller#one"]
        began = self.entry.began if undo_only else None
        write = transitions.retry(state, error=item["error"]["S"], now_ms=self.clock.now_ms(), undo_only=began)
        await self.table.write([write])
        return await self.go()

    async def force(self) -> str:
        """Run the done request once more, as an operator does; return its status."""
        state = (await self.table.read(["caller#one"]))["caller#one"]
        ttl = int(self.item()["ttl"]["N"])
        await self.table.write([transitions.force(state, ttl=ttl, now_ms=self.clock.now_ms())])
        return await self.go()

    def error(self) -> str:
        """Return the request's error, or why it waits."""
        item = self.item()
        return str((item.get("error") or item["last_error"])["S"])

    async def _work_on(self, records: Sequence[Any]) -> None:
        await self.shard.submit(records)
        await self.shard.drain()


def threaded(handle: Handle, *, limit_seconds: float = 20.0) -> Runner:
    """Return the runner that ships, with a time limit by the real clock."""
    is_async = inspect.iscoroutinefunction(handle)
    return make_stepped_runner(Handler("tests:handle", handle, is_async, takes_steps=True), limit_seconds=limit_seconds)


class Shop:
    """What steps call: it notes each call, and ends it as told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.keys: list[str] = []
        self._faults: dict[str, list[BaseException]] = {}
        self._count = itertools.count(1)

    def fails(self, name: str, *errors: BaseException) -> None:
        """Let the next calls of this name raise, one error each."""
        self._faults.setdefault(name, []).extend(errors)

    def act(self, name: str) -> Callable[..., Any]:
        """Return a function for a step: its result is a receipt that no other call gets."""

        async def call(*_: object) -> Any:
            await asyncio.sleep(0)
            return self.called(name)

        return call

    def undo(self, name: str) -> Callable[..., Any]:
        """Return the undo of a step; it notes what it is called with first."""

        async def call(result: object, *_: object) -> None:
            await asyncio.sleep(0)
            self.called(f"undo {name} {result}")

        return call

    def plain_act(self, name: str) -> Callable[..., Any]:
        """Return the same for a plain handler."""
        return lambda *_: self.called(name)

    def plain_undo(self, name: str) -> Callable[..., Any]:
        """Return the same for a plain handler."""
        return lambda result, *_: self.called(f"undo {name} {result}") and None

    def called(self, name: str) -> str:
        """Note a call."""
        self.calls.append(name)
        self.keys.append(step_key())
        faults = self._faults.get(name.rpartition(" ")[0] if name.startswith("undo") else name)
        if faults:
            raise faults.pop(0)
        return f"{name}-{next(self._count)}"

    def order(self, *names: str, then: Callable[[], object] = lambda: None) -> Handle:
        """Return an async handler with these steps, each with its undo."""

        async def handle(_: Request, steps: AsyncSteps) -> object:
            receipts = [await steps.run(name, self.act(name), undo=self.undo(name)) for name in names]
            then()
            return receipts

        return handle

    def plain_order(self, *names: str, then: Callable[[], object] = lambda: None) -> Handle:
        """Return a plain handler with these steps, each with its undo."""

        def handle(_: Request, steps: Steps) -> object:
            receipts = [steps.run(name, self.plain_act(name), undo=self.plain_undo(name)) for name in names]
            then()
            return receipts

        return handle


def raiser(*errors: BaseException) -> Callable[[], None]:
    """Return what raises these errors, one each time, and then nothing."""
    left = list(errors)

    def call() -> None:
        if left:
            raise left.pop(0)

    return call

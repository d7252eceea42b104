"""Requests with steps: what their handlers do, and the promises about it, checked at each step and at the end."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dropslot.adapters.journal.memory import MemoryJournal
from dropslot.adapters.requests.rows import Item
from dropslot.core import journal, names
from dropslot.core.errors import Reject, RetryLater
from dropslot.core.journal import Entry, JournalWrite
from dropslot.core.journal import Key as JournalKey
from dropslot.core.policy import Ending, Raised, Returned, TimedOut
from dropslot.core.request import Request
from dropslot.core.step_policy import StepPolicy
from dropslot.engine.backoff import Backoff
from dropslot.engine.context import step_key
from dropslot.engine.journal_port import Answer
from dropslot.engine.ports import Clock, Counters, SteppedRunner
from dropslot.engine.steps.stepping import StepOptions, Stepping
from dropslot.engine.steps.steps import AsyncSteps
from dropslot.engine.steps.threads import StepThreads
from dropslot.engine.steps.visit import Undo, Visit
from tests.simulation.handlers import LIMIT_SECONDS
from tests.simulation.holder import current_holder
from tests.simulation.life import Key
from tests.simulation.table import Port

if TYPE_CHECKING:
    from tests.simulation.world import World

#: The type of requests with steps.
TYPE: Final = "sagas"
#: Shorter than what faults keep a worker from renewing it.
LEASE_MS: Final = 6_000
#: What can be met of them.
MET: Final = ("steps", "resumed", "undos", "done", "undone", "stuck", "anew")
_POLICY: Final = StepPolicy(tries=2, pauses_seconds=(0.5,))


@dataclass(frozen=True, slots=True)
class Deed:
    """One step.

    Args:
        seconds: how long it takes.
        errors: what it raises at its first calls, one each: raise, later, transient.
        undo_errors: what its undo raises at its first calls, likewise.
    """

    seconds: float
    errors: tuple[str, ...] = ()
    undo_errors: tuple[str, ...] = ()


@dataclass(slots=True)
class Saga:
    """What a request's handler does, and what has come of it.

    Args:
        deeds: its steps.
        rejects: it fails after its last step.
        calls: of steps and undos, by step key.
    """

    deeds: tuple[Deed, ...]
    rejects: bool
    calls: Counter[str] = field(default_factory=Counter)


class JournalPort:
    """One process's connection to the journal: it fails as that to the table does.

    Args:
        port: the process's connection to the table.
        twin: the journal.
        turned: told of each run that turns to undoing.
    """

    def __init__(self, port: Port, twin: MemoryJournal, turned: Callable[[JournalKey], None]) -> None:
        self._port = port
        self._twin = twin
        self._turned = turned

    async def write(self, write: JournalWrite) -> Answer:
        """See `Journal.write`."""
        answer: Answer = await self._port.call(lambda: self._write(write))
        return answer

    async def _write(self, write: JournalWrite) -> Answer:
        answer = await self._twin.write(write)
        if answer.applied and write.kind == "turn":
            self._turned(write.key)
        return answer

    async def newest(self, request_id: str, accepted_at: int) -> Entry | None:
        """See `Journal.newest`."""
        entry: Entry | None = await self._port.call(lambda: self._twin.newest(request_id, accepted_at))
        return entry


class Sagas:
    """All requests with steps of a schedule.

    Args:
        world: everything around them.
        source: draws what they do; its own, so that a schedule's other draws stay what they are.
    """

    def __init__(self, world: "World", source: random.Random) -> None:
        self._world = world
        self._source = source
        self._share = source.choice((0.0, 0.0, 0.25, 0.5))
        self._sagas: dict[Key, Saga] = {}
        #: At which attempt a run turned.
        self._turned_at: dict[JournalKey, int] = {}
        self.twin = MemoryJournal()
        #: What was met, see `MET`: calls of steps and undos, steps gone on with by a later attempt, requests by end.
        self.met: Counter[str] = Counter()

    def draw_type(self) -> str:
        """Return the type of the next request."""
        return TYPE if self._source.random() < self._share else "orders"

    def stepping(self, *, clock: Clock, counters: Counters, backoff: Backoff) -> Stepping:
        """Return what runs requests with steps in one process."""
        return Stepping(
            JournalPort(self._world.port(), self.twin, self._turns),
            clock=clock,
            counters=counters,
            backoff=backoff,
            options=StepOptions(lease_ms=LEASE_MS, limit_seconds=LIMIT_SECONDS),
        )

    def saga(self, key: Key) -> Saga:
        """Return what a request's handler does."""
        saga = self._sagas.get(key)
        if saga is None:
            saga = self._sagas[key] = self._draw()
        return saga

    def is_taken(self, key: Key) -> bool:
        """Tell whether a worker has the steps of a request."""
        return any(entry.owner for entry in self._entries(key))

    async def step(self, key: Key, number: int) -> dict[str, int]:
        """Do what a step does."""
        saga, mine = self.saga(key), step_key()
        deed = saga.deeds[number]
        self._begins(key, mine, number)
        saga.calls[mine] += 1
        self.met["steps"] += 1
        call = saga.calls[mine]
        await asyncio.sleep(deed.seconds)
        if call <= len(deed.errors):
            raise _error(deed.errors[call - 1])
        return {"step": number}

    async def undo(self, key: Key, number: int) -> None:
        """Take a step back."""
        saga, mine = self.saga(key), step_key()
        deed = saga.deeds[number]
        entry = self._entry(key, mine)
        self._demand(entry is not None and entry.undoing, "undone once it has turned", key, f"step {number}")
        assert entry is not None
        self._demand(not entry.steps[number].undone_at, "what is undone isn't undone again", key, f"step {number}")
        later = [step for step in entry.steps[number + 1 :] if not step.undone_at and not step.undo_error]
        self._demand(not later, "undone in reverse", key, f"step {number} before {[step.name for step in later]}")
        saga.calls[mine] += 1
        self.met["undos"] += 1
        call = saga.calls[mine]
        await asyncio.sleep(deed.seconds / 2)
        if call <= len(deed.undo_errors):
            raise _error(deed.undo_errors[call - 1])

    def finish(self, items: Callable[[str], Item | None], unsettled: Callable[[Key], bool]) -> None:
        """Check what holds at the end, when all is settled.

        Args:
            items: returns an item by its id.
            unsettled: whether a generation is gone, or was never settled.
        """
        for key, saga in self._sagas.items():
            item = items(key[0])
            if item is None or unsettled(key) or int(item[names.ACCEPTED_AT]["N"]) != key[1]:
                continue
            entry = max(self._entries(key), key=lambda one: one.key.run, default=None)
            if names.TTL in item:
                self._check_done(key, saga, entry)
            else:
                self._check_failed(key, saga, entry)

    def _check_done(self, key: Key, saga: Saga, entry: Entry | None) -> None:
        self.met["done"] += 1
        self._demand(entry is not None and entry.closed == journal.DONE, "done is closed", key, str(entry))
        assert entry is not None
        self._demand(len(entry.steps) == len(saga.deeds), "done did all steps", key, str(entry))
        self._demand(not any(step.undone_at for step in entry.steps), "done is not undone", key, str(entry))
        self._demand(not entry.undoing, "done is not undone", key, str(entry))

    def _check_failed(self, key: Key, saga: Saga, entry: Entry | None) -> None:
        if entry is None or not entry.steps:
            return
        left = [step for step in entry.steps if not step.undone_at]
        self._demand(entry.undoing, "failed is undone", key, str(entry))
        if left:
            self.met["stuck"] += 1
            self._demand(entry.closed == journal.STUCK, "what is left is told", key, str(entry))
        else:
            self.met["undone"] += 1
            self._demand(entry.closed == journal.UNDONE, "failed is undone", key, str(entry))

    def _turns(self, run: JournalKey) -> None:
        entry = next(entry for entry in self.twin.entries(run.id) if entry.key == run)
        self._turned_at.setdefault(run, entry.attempt)

    def _begins(self, key: Key, mine: str, number: int) -> None:
        entry = self._entry(key, mine)
        self._demand(entry is not None, "claimed before it begins", key, mine)
        assert entry is not None
        before = max((one for one in self._entries(key) if one.key.run < entry.key.run), key=_run, default=None)
        if before is not None:
            life = self._world.checker.lives[key]
            turned_at = self._turned_at.get(before.key, before.began)
            self._demand(life.operated_attempt > turned_at, "a new run is asked for", key, f"step {number} of {entry}")
            self.met["anew"] += not number
        self._demand(len(entry.steps) <= number, "what is finished isn't run again", key, f"step {number}")
        self._demand(len(entry.steps) >= number, "steps run in order", key, f"step {number} of {entry}")
        self._demand(not entry.undoing, "never forward again", key, f"step {number}")
        if number and not self.saga(key).calls[mine]:
            self.met["resumed"] += entry.attempt > entry.began

    def _entry(self, key: Key, mine: str) -> Entry | None:
        run = int(mine[len(key[0]) :].split("#")[2])
        return next((entry for entry in self._entries(key) if entry.key.run == run), None)

    def _entries(self, key: Key) -> list[Entry]:
        return [entry for entry in self.twin.entries(key[0]) if entry.key.accepted_at == key[1]]

    def _draw(self) -> Saga:
        source = self._source
        deeds = tuple(
            Deed(
                source.choice((0.0, 0.01, 0.2, 1.0, 2.0)),
                _some(source, 0.2, ("raise", "transient", "later")),
                _some(source, 0.2, ("raise", "transient", "transient")),
            )
            for _ in range(source.randint(1, 5))
        )
        return Saga(deeds, source.random() < 0.4)

    def _demand(self, holds: object, promise: str, key: Key, what: str) -> None:
        self._world.promises.demand(holds, promise, key[0], what)


def _run(entry: Entry) -> int:
    return entry.key.run


class SagaRunner:
    """Calls handlers with steps, within their time limit, as the product's runner with threads does.

    Args:
        world: everything around it.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._threads = StepThreads()
        self.lost = 0

    @property
    def stepped(self) -> SteppedRunner:
        """See `Runner.stepped`."""
        return self

    async def call(self, request: Request) -> Ending:
        """Never called: it takes steps."""
        raise AssertionError(request.id)

    async def call_with(self, request: Request, visit: Visit) -> Ending:
        """See `SteppedRunner.call_with`."""
        key = (request.id, round(request.accepted_at.timestamp() * 1000))
        self._world.checker.runs.came_back(key, current_holder())
        return await self._within(self._handle(request, self._steps(visit)))

    async def undo(self, request: Request, visit: Visit, undos: list[Undo]) -> Ending:
        """See `SteppedRunner.undo`."""
        return await self._within(self._steps(visit).undo(undos))

    def close(self) -> None:
        """See `Runner.close`."""

    async def _handle(self, request: Request, steps: AsyncSteps) -> dict[str, int]:
        key = (request.id, round(request.accepted_at.timestamp() * 1000))
        sagas = self._world.sagas
        saga = sagas.saga(key)

        async def undo(_result: Any, number: int) -> None:
            await sagas.undo(key, number)

        async def step(number: int) -> dict[str, int]:
            return await sagas.step(key, number)

        for number in range(len(saga.deeds)):
            await steps.run(f"step {number}", step, number, undo=undo, policy=_POLICY)
        if saga.rejects:
            raise Reject("rejected in the end")
        return {"steps": len(saga.deeds)}

    def _steps(self, visit: Visit) -> AsyncSteps:
        return AsyncSteps(visit, asyncio.get_running_loop(), self._threads)

    async def _within(self, work: Awaitable[Any]) -> Ending:
        calling = asyncio.ensure_future(_ending(work))
        await asyncio.wait({calling}, timeout=LIMIT_SECONDS)
        if calling.done():
            return calling.result()
        self.lost += 1
        calling.add_done_callback(self._found)
        return TimedOut(LIMIT_SECONDS, calling)

    def _found(self, _: "asyncio.Future[Ending]") -> None:
        self.lost -= 1


async def _ending(work: Awaitable[Any]) -> Ending:
    try:
        return Returned(await work)
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - as the product's
        return Raised(error)


def _some(source: random.Random, chance: float, kinds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(source.choice(kinds) for _ in range(source.randint(1, 4))) if source.random() < chance else ()


def _error(kind: str) -> Exception:
    if kind == "later":
        return RetryLater("busy", after_seconds=1)
    return TimeoutError("slow") if kind == "transient" else ValueError("bad")

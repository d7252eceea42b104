"""What handlers do: a script per request, drawn when it is first run, kept outside the processes that it may kill."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dropslot.core.errors import Reject, RetryLater
from dropslot.core.policy import Ending, Raised, Returned, TimedOut
from dropslot.core.request import Request
from tests.simulation.holder import current_holder
from tests.simulation.life import Run
from tests.simulation.plan import Plan

if TYPE_CHECKING:
    from tests.simulation.world import World

#: How long a handler may take.
LIMIT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a handler.

    Args:
        kind: how it ends: done, value, string, raise, reject, later, transient, hang, poison.
        seconds: after how long; a hanging one never ends.
    """

    kind: str
    seconds: float


class Scripts:
    """Scripts by request and generation.

    Args:
        plan: which kinds there are.
        source: draws them.
    """

    def __init__(self, plan: Plan, source: random.Random) -> None:
        self._plan = plan
        self._source = source
        self._scripts: dict[tuple[str, int], list[Step]] = {}
        self._calls: Counter[tuple[str, int]] = Counter()
        self.poisonous: set[tuple[str, int]] = set()

    def next(self, key: tuple[str, int]) -> Step:
        """Return what this call does; after the last step of a script, that one again."""
        script = self._scripts.get(key)
        if script is None:
            script = self._scripts[key] = self._draw()
            if script[-1].kind == "poison":
                self.poisonous.add(key)
        call = self._calls[key]
        self._calls[key] += 1
        return script[min(call, len(script) - 1)]

    def _draw(self) -> list[Step]:
        luck, faults = self._source.random(), self._plan.faults
        if "poison" in faults and luck < 0.15:
            return [Step("poison", self._source.choice((0.0, 0.5, 3.0)))]
        if "hang" in faults and luck > 0.85:
            return [Step("hang", 0.0)] * self._source.randint(1, 5) + [self._plain()]
        if "late" in faults and luck > 0.7:
            return [Step("value", LIMIT_SECONDS * self._source.uniform(1, 4)), self._plain()]
        if luck < (0.5 if self._plan.pace_seconds is None else 0.9):
            return [self._plain()]
        bad = self._source.choice(("raise", "reject", "string", "later", "transient"))
        return [Step(bad, self._pace())] * self._source.randint(1, 4) + [self._plain()]

    def _plain(self) -> Step:
        return Step(self._source.choice(("done", "value")), self._pace())

    def _pace(self) -> float:
        if self._plan.pace_seconds is not None:
            return self._plan.pace_seconds * self._source.uniform(0.5, 1.5)
        return self._source.choice((0.0, 0.01, 0.2, 1.0, 4.0, 8.0))


class SimulatedRunner:
    """Calls the scripted handlers, within their time limit, as the product's runners do.

    Args:
        world: everything around it.
        kill: ends the process that they run in; told why.
    """

    def __init__(self, world: "World", kill: Callable[[str], None]) -> None:
        self._world = world
        self._kill = kill
        self._runs: dict[asyncio.Task[Any] | None, Run] = {}
        self.lost = 0
        self.stepped = None
        #: How many calls have really passed their limit and not returned.
        self.hanging = 0

    async def call(self, request: Request) -> Ending:
        """See `Runner.call`."""
        world = self._world
        key = (request.id, round(request.accepted_at.timestamp() * 1000))
        run = self._run(key, request.attempt)
        step = world.scripts.next(key)
        if step.kind in {"hang", "poison"}:
            world.faults.struck.add(step.kind)
        if step.kind == "hang" or step.seconds >= LIMIT_SECONDS:
            await asyncio.sleep(LIMIT_SECONDS)
            world.checker.runs.ended(key, run, TimedOut(LIMIT_SECONDS))
            self.lost += 1
            self.hanging += 1
            late = world.loop.create_future()
            late.add_done_callback(self._uncount)
            if step.kind != "hang":
                world.loop.call_later(step.seconds - LIMIT_SECONDS, self._found, key, run, step, late)
            return TimedOut(LIMIT_SECONDS, late)
        await asyncio.sleep(step.seconds)
        if step.kind == "poison":
            world.checker.runs.killed(key, run)
            self._kill(f"by {request.id}")
            await world.loop.create_future()
        ending = _ending(step)
        world.checker.runs.ended(key, run, ending)
        return ending

    def close(self) -> None:
        """See `Runner.close`."""

    def _run(self, key: tuple[str, int], attempt: int) -> Run:
        """Return the run that this call is part of: a further try in process is made by the same task."""
        task = asyncio.current_task()
        run = self._runs.get(task)
        if run is None:
            run = self._runs[task] = Run(current_holder(), attempt, attempt)
            self._world.checker.runs.called(key, run)
            self._world.checker.runs.started(key, run)
        else:
            run.told = attempt
            self._world.checker.runs.called(key, run)
        return run

    def _found(self, key: tuple[str, int], run: Run, step: Step, late: "asyncio.Future[Ending]") -> None:
        self.hanging -= 1
        self._world.faults.struck.add("late")
        ending = _ending(step)
        self._world.checker.runs.ended(key, run, ending, late=True)
        if not late.done():
            late.set_result(ending)

    def _uncount(self, _: "asyncio.Future[Ending]") -> None:
        self.lost -= 1


def _ending(step: Step) -> Ending:
    return _ENDINGS[step.kind]


#: How a call of each kind ends; what a handler does is decided before it is called.
_ENDINGS: Final[Mapping[str, Ending]] = {
    "done": Returned(None),
    "value": Returned({"total": 1}),
    "string": Returned("sold out"),
    "raise": Raised(ValueError("bad")),
    "reject": Raised(Reject("no")),
    "later": Raised(RetryLater("busy", after_seconds=1)),
    "transient": Raised(TimeoutError("slow")),
}

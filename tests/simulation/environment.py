"""An execution environment of the stream's function: the product's, standing still between invocations."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dropslot.engine.backoff import Backoff
from dropslot.engine.execution import ANY_TYPE
from dropslot.local.mapping.event import ShardRecord, event_of
from dropslot.local.mapping.verdict import Answer
from dropslot.runtimes.lambda_.environment import Environment
from dropslot.settings import Settings
from tests.simulation import sagas
from tests.simulation.faults import LONGEST_PAUSE_SECONDS
from tests.simulation.feed import Record
from tests.simulation.handlers import SimulatedRunner
from tests.simulation.holder import hold
from tests.simulation.invocation import Invocation
from tests.simulation.loop import Image, VirtualClock

if TYPE_CHECKING:
    from tests.simulation.world import World

#: One that stood still for longer than this between two invocations was frozen for minutes.
LONG_SECONDS: Final = 60.0


class _LeftError(BaseException):
    """Exit: nothing of the process goes on."""


class SimulatedEnvironment:
    """A process that serves one invocation after the other.

    Args:
        world: everything around it.
        name: for the history.
        settings: of the consumer.
        timeout_seconds: of the function.
        ended: told that an invocation is over.
    """

    def __init__(
        self,
        world: "World",
        name: str,
        *,
        settings: Settings,
        timeout_seconds: float,
        ended: Callable[["SimulatedEnvironment"], None],
    ) -> None:
        self._world = world
        self._settings = settings
        self._timeout_seconds = timeout_seconds
        self._ended = ended
        self.image = Image(name)
        self.image.blow = lambda: self.kill("at an await")
        self._runner = SimulatedRunner(world, self.kill)
        self._product: Environment | None = None
        self._up_since_ms = 0
        self._idle_since = world.loop.time()
        self._invocations = 0
        self._invocation: Invocation | None = None
        self._answer: asyncio.Future[Answer] | None = None

    def invoke(
        self, documents: Sequence[ShardRecord], records: Sequence[Record], *, wanted: Callable[[], bool]
    ) -> "asyncio.Future[Answer]":
        """Start an invocation; what happens to whoever waits for its answer doesn't touch it.

        Args:
            documents: the batch.
            records: the same, with what the checker knows of it.
            wanted: see `Invocation`.
        """
        world, loop = self._world, self._world.loop
        if loop.time() - self._idle_since > LONG_SECONDS:
            world.faults.struck.add("function_idle")
        self._up_since_ms = self._up_since_ms or loop.now_ms()
        self._invocations += 1
        self._invocation = invocation = Invocation(
            f"{self.image.name}.{self._invocations}",
            records,
            up_since_ms=self._up_since_ms,
            started_ms=loop.now_ms(),
            timeout_seconds=self._timeout_seconds,
            wanted=wanted,
        )
        self._answer = answer = loop.create_future()
        world.history.note("invoked", detail=f"{invocation.name} with {len(records)} records")
        if self.image.parked is not None:
            loop.thaw(self.image, 0)
        context = self.image.context.copy()
        context.run(hold, invocation)
        task = loop.create_task(self._serve(event_of(documents), invocation), context=context)
        task.add_done_callback(world.check, context=world.nobody)
        world.later(self._timeout_seconds, self._cut_off, invocation)
        return answer

    def stand_still(self, seconds: float) -> bool:
        """Let it stand still for a time, or until it is cut off; False if it isn't at work."""
        invocation = self._invocation
        if invocation is None or self.image.parked is not None:
            return False
        self._world.history.note("stands still", detail=f"{invocation.name} for {seconds:.0f} s")
        # Already now: it may be asked about before it goes on.
        invocation.frozen_seconds += seconds
        self._world.loop.freeze(self.image)
        self._world.later(seconds, self._go_on, invocation)
        return True

    def kill(self, why: str) -> None:
        """End its process, and with it the invocation that it is at."""
        if not self.image.dead:
            self.image.dead = True
            self._world.history.note("environment ends", detail=f"{self.image.name}: {why}")
            if self._invocation is not None:
                self._finish(Answer(request_id="", failed=True, value=why), 0)

    async def _serve(self, event: bytes, invocation: Invocation) -> None:
        if self._product is None:
            self._product = self._start()
        hanging = self._runner.hanging
        try:
            value = await self._product.handle(msgspec.json.decode(event), remaining_ms=self._timeout_seconds * 1000)
        except _LeftError:
            return
        except Exception as error:  # noqa: BLE001 - a function that raises lives on
            answer, resolved = Answer(request_id="", failed=True, value=str(error)), 0
        else:
            answer, resolved = Answer(request_id="", failed=False, value=value), _resolved(value, invocation.records)
            self._world.checker.answered(invocation, resolved, hanging=hanging)
        if self._invocation is not invocation:  # its process is gone, and this is the end of the schedule
            return
        # What isn't done by now goes on with the next invocation, if there is one.
        self._world.loop.freeze(self.image)
        self._idle_since = self._world.loop.time()
        self._finish(answer, resolved)

    def _start(self) -> Environment:
        world = self._world
        return Environment(
            settings=self._settings,
            requests=world.port(),
            runners={ANY_TYPE: self._runner, sagas.TYPE: sagas.SagaRunner(world)},
            clock=VirtualClock(world.loop),
            leave=self._leave,
            backoff=Backoff(max_seconds=LONGEST_PAUSE_SECONDS, source=world.random),
            make_stepping=world.sagas.stepping,
        )

    def _leave(self) -> None:
        self.kill("by itself")
        raise _LeftError

    def _go_on(self, invocation: Invocation) -> None:
        if self._invocation is invocation:
            self._world.loop.thaw(self.image, 0)

    def _cut_off(self, invocation: Invocation) -> None:
        if self._invocation is invocation:
            self.kill("by its time-out")
            self._world.checker.cut_off(invocation)
            self._world.faults.struck.add("function_timeout")

    def _finish(self, answer: Answer, resolved: int) -> None:
        assert self._invocation is not None
        assert self._answer is not None
        self._invocation.end(resolved)
        self._answer.set_result(answer)
        self._invocation = None
        self._ended(self)


def _resolved(value: dict[str, Any], records: Sequence[Record]) -> int:
    """Return how many records an answer says are resolved, from the first on: the rule, written a second time."""
    named = {failure["itemIdentifier"] for failure in value["batchItemFailures"]}
    return next((place for place, one in enumerate(records) if str(one.sequence_number) in named), len(records))

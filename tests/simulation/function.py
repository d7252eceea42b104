"""The stream's function: environments that come and go, one for each invocation under way."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from dropslot.local.mapping.event import ShardRecord
from dropslot.local.mapping.verdict import Answer
from dropslot.settings import Settings
from tests.simulation.environment import SimulatedEnvironment
from tests.simulation.feed import TABLE, Record
from tests.simulation.handlers import LIMIT_SECONDS
from tests.simulation.plan import FunctionsPlan
from tests.simulation.process import HANDLER_TRIES, LOST_HANDLERS_MAX, POLICY
from tests.simulation.worker import SWEEP_GRACE_MS, SWEEP_INTERVAL_SECONDS

if TYPE_CHECKING:
    from tests.simulation.world import World

#: What an environment that stood still may have left, just enough to answer.
LEFT_SECONDS: Final = 1.5


class ThrottledError(Exception):
    """The function isn't invoked: it is at its limit."""


def settings_of(world: "World") -> Settings:
    """Return the functions' settings, which are those of the shard processes as well."""
    return Settings(
        handler={},
        kcl_properties={},
        table=TABLE,
        concurrency=world.plan.concurrency,
        handler_timeout_seconds=LIMIT_SECONDS,
        handler_tries=HANDLER_TRIES,
        retry_schedule_seconds=POLICY.retry_schedule_seconds,
        ttl_seconds=world.plan.ttl_seconds,
        fresh_seconds=world.fresh_ms / 1000,
        sweep_interval_seconds=SWEEP_INTERVAL_SECONDS,
        sweep_grace_seconds=SWEEP_GRACE_MS / 1000,
        lost_handlers_max=LOST_HANDLERS_MAX,
    )


class SimulatedFunction:
    """Invokes an environment that is idle, whichever, or a new one.

    Args:
        world: everything around it.
        plan: its measures.
    """

    def __init__(self, world: "World", plan: FunctionsPlan) -> None:
        self._world = world
        self._plan = plan
        self._settings = settings_of(world)
        self._started = 0
        self.idle: list[SimulatedEnvironment] = []
        #: What befalls the next invocations, one each.
        self._fates: list[Callable[[SimulatedEnvironment], None]] = []

    def invoke(
        self, documents: Sequence[ShardRecord], records: Sequence[Record], *, wanted: Callable[[], bool]
    ) -> "asyncio.Future[Answer]":
        """Invoke it, see `SimulatedEnvironment.invoke`.

        Raises:
            ThrottledError: not now.
        """
        world, now = self._world, self._world.loop.time()
        if any(start <= now < end for start, end in self._plan.throttles):
            world.faults.struck.add("throttle")
            raise ThrottledError
        environment = self._take()
        answer = environment.invoke(documents, records, wanted=wanted)
        if self._fates:
            self._fates.pop()(environment)
        return answer

    def crash(self) -> None:
        """Have an environment die in the middle of the next invocation."""

        def crash(environment: SimulatedEnvironment) -> None:
            self._world.faults.struck.add("function_crash")
            environment.image.fuse = self._world.random.choice((0, 1, 3, 10, 40))

        self._fates.append(crash)

    def stall(self, *, to_the_end: bool) -> None:
        """Have an environment stand still in the middle of the next invocation.

        Args:
            to_the_end: until it is cut off by its time-out.
        """
        source = self._world.random
        after = source.choice((0.0, 0.1, 1.0, 4.0))
        seconds = self._plan.timeout_seconds - after
        if not to_the_end:
            seconds = source.choice((1.0, 8.0, seconds - LEFT_SECONDS))

        def stall(environment: SimulatedEnvironment) -> None:
            self._world.later(after, self._stall, environment, seconds)

        self._fates.append(stall)

    def recycle(self) -> None:
        """Take idle environments away, as Lambda does whenever it likes."""
        if self.idle:
            self._world.faults.struck.add("recycle")
            for environment in self._world.random.sample(self.idle, self._world.random.randint(1, len(self.idle))):
                self.idle.remove(environment)
                environment.kill("recycled")

    def set_aside(self) -> None:
        """Leave an idle environment frozen for minutes, and take it again."""
        if self.idle:
            environment = self.idle.pop(self._world.random.randrange(len(self.idle)))
            delay = self._world.random.choice((70.0, 150.0, 400.0))
            self._world.later(delay, self.idle.append, environment)

    def _stall(self, environment: SimulatedEnvironment, seconds: float) -> None:
        if environment.stand_still(seconds):
            self._world.faults.struck.add("function_stall")

    def _take(self) -> SimulatedEnvironment:
        if self.idle:
            return self.idle.pop(self._world.random.randrange(len(self.idle)))
        self._started += 1
        return SimulatedEnvironment(
            self._world,
            f"environment-{self._started}",
            settings=self._settings,
            timeout_seconds=self._plan.timeout_seconds,
            ended=self._ended,
        )

    def _ended(self, environment: SimulatedEnvironment) -> None:
        if not environment.image.dead:
            self.idle.append(environment)

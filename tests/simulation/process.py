"""A shard process: the product's record processor and engine, in an image that can be killed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit

from dropslot.adapters.counters import MemoryCounters
from dropslot.core.policy import Policy
from dropslot.engine.backoff import Backoff
from dropslot.engine.execution import ANY_TYPE
from dropslot.engine.options import ShardOptions
from dropslot.engine.shard import Shard
from dropslot.runtimes.kcl.handover import Handover
from dropslot.runtimes.kcl.heartbeat import Heartbeat
from dropslot.runtimes.kcl.processor import Processor
from tests.simulation import sagas
from tests.simulation.blocking import BlockingCode
from tests.simulation.engine import SimulatedEngine
from tests.simulation.faults import LONGEST_PAUSE_SECONDS
from tests.simulation.feed import TABLE
from tests.simulation.handlers import LIMIT_SECONDS, SimulatedRunner
from tests.simulation.loop import Image, VirtualClock
from tests.simulation.pipe import Pipe

if TYPE_CHECKING:
    from tests.simulation.world import World

HANDLER_TRIES = 2
POLICY = Policy(handler_tries=HANDLER_TRIES, retry_schedule_seconds=(2.0, 10.0, 30.0))
LOST_HANDLERS_MAX = 2
SHUTDOWN_GRACE_SECONDS = 6.0


class _ReplacedError(BaseException):
    """Exec: nothing of the old image goes on."""

    def __init__(self, handover: Handover) -> None:
        self.handover = handover


class _Silent(Heartbeat):
    """No file: nobody reads it."""

    def __init__(self) -> None:
        super().__init__(Path("unused"), now_epoch_seconds=float)

    def beat(self, values: Callable[[], Mapping[str, Any]], *, force: bool = False) -> None:
        """See `Heartbeat.beat`."""

    def remove(self) -> None:
        """See `Heartbeat.remove`."""


class ShardProcess:
    """A process that serves one shard of a daemon.

    Args:
        world: everything around it.
        name: for the history.
        checkpointed: the daemon's ear for checkpoints.
        ended: told when it is gone, with the reason; "" for an orderly end.
        holds_lease: whether its shard is still with that daemon.
    """

    def __init__(
        self,
        world: "World",
        name: str,
        *,
        checkpointed: Callable[[str | None], None],
        ended: Callable[[str], None],
        holds_lease: Callable[[], bool],
    ) -> None:
        self._world = world
        self._name = name
        self._ended = ended
        self._holds_lease = holds_lease
        self.image = self._new_image()
        self.pipe = Pipe(world.loop, checkpointed)
        self._code = BlockingCode(world.loop, self.image, self._run)
        self.pipe.code = self._code
        #: The supervisor has asked it to start nothing more, since its daemon is about to be stopped.
        self.stopping = False
        #: How far its records may be acknowledged, as it says itself; for the daemon's pace only.
        self.engine: SimulatedEngine | None = None

    def start(self) -> None:
        """Start it."""
        self._world.process_starts += 1
        self._world.processes.append(self)
        self._code.start()

    def kill(self, why: str) -> None:
        """Kill it: nothing of it runs from here on."""
        if not self.image.dead:
            self.image.dead = True
            self._world.history.note("process killed", detail=f"{self._name}: {why}")
            self._code.kill()
            self._ended(why)

    def dispose(self) -> None:
        """Let go of it at the end of the schedule: a greenlet that is left standing is never freed."""
        self.image.dead = True
        self._code.kill()

    def _new_image(self) -> Image:
        image = Image(self._name)
        image.holds_lease = self._holds_lease
        image.blow = lambda: self.kill("at an await")
        return image

    def _run(self) -> None:
        handover: Handover | None = None
        while True:
            try:
                self._processor().run(handover)
            except _ReplacedError as replaced:
                handover = replaced.handover
                self.image.dead = True
                self.image = self._code.image = self._new_image()
                self._world.process_starts += 1
                self._world.history.note("process replaced", detail=self._name)
                continue
            except GreenletExit:
                return
            except Exception as error:  # noqa: BLE001 - whatever it dies of, it dies
                self._exit(f"{type(error).__name__}: {error}")
            else:
                self._exit("")
            return

    def _exit(self, reason: str) -> None:
        self.image.dead = True
        self._world.history.note("process ended", detail=f"{self._name} {reason}")
        self._world.loop.call_soon(self._ended, reason, context=self._world.nobody)

    def _processor(self) -> Processor:
        return Processor(
            channel=self.pipe,
            build_engine=self._build_engine,
            heartbeat_of=lambda _: _Silent(),
            monotonic_seconds=self._world.loop.time,
            pause_seconds=self._code.pause,
            reload_wanted=lambda: False,
            stop_wanted=lambda: self.stopping,
            replace=self._replace,
            shutdown_grace_seconds=SHUTDOWN_GRACE_SECONDS,
            replace_grace_seconds=LIMIT_SECONDS * HANDLER_TRIES + 5,
        )

    def _replace(self, handover: Handover) -> None:
        raise _ReplacedError(handover)

    def _build_engine(self, shard_id: str) -> SimulatedEngine:
        world, counters = self._world, MemoryCounters()
        clock = VirtualClock(world.loop)
        backoff = Backoff(max_seconds=LONGEST_PAUSE_SECONDS, source=world.random)
        self.image.name = f"{self._name} {shard_id}"
        shard = Shard(
            requests=world.port(),
            runners={ANY_TYPE: SimulatedRunner(world, self.kill), sagas.TYPE: sagas.SagaRunner(world)},
            clock=clock,
            counters=counters,
            backoff=backoff,
            stepping=world.sagas.stepping(clock=clock, counters=counters, backoff=backoff),
            options=ShardOptions(
                table=TABLE,
                concurrency=world.plan.concurrency,
                fresh_ms=world.fresh_ms,
                ttl_seconds=world.plan.ttl_seconds,
                policy=POLICY,
            ),
        )
        self.engine = SimulatedEngine(
            world.loop,
            self._code,
            self.image,
            shard,
            counters=counters,
            lost_handlers_max=LOST_HANDLERS_MAX,
            unreachable_limit_seconds=15.0,
            stall_limit_seconds=LIMIT_SECONDS * HANDLER_TRIES + 30,
        )
        return self.engine

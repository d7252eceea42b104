"""Everything of one schedule, put together from its seed."""

import random
from collections.abc import Callable, Coroutine
from typing import Any, Final

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import Item
from dropslot.core import mapping, names
from tests.simulation import plan
from tests.simulation.checker import Checker, known_for_seconds
from tests.simulation.client import Clients
from tests.simulation.faults import Faults
from tests.simulation.feed import Feed
from tests.simulation.fleet import Fleet
from tests.simulation.handlers import Scripts
from tests.simulation.history import History, ViolationError
from tests.simulation.loop import Image, Loop
from tests.simulation.mapping import SimulatedMapping
from tests.simulation.occasions import Occasions
from tests.simulation.operator_port import OperatorPort
from tests.simulation.operators import Operators
from tests.simulation.operators_plan import OUTCOME, SILENCE
from tests.simulation.process import ShardProcess
from tests.simulation.promises import Promises
from tests.simulation.sagas import Sagas
from tests.simulation.schedule import Schedule
from tests.simulation.table import NOBODY, Index, Port
from tests.simulation.worker import SWEEP_GRACE_MS, sweep_for_ever

#: The sweep's pause grows up to this many graces.
_PATIENCE: Final = 64
#: After the last redrive that may be due: restarts, retries, and working off what has piled up.
_SLACK_SECONDS: Final = 1_500.0
#: How long operators may still be at work when the faults have ended.
_OPERATORS_SECONDS: Final = 1_000.0


class World:
    """A schedule.

    Args:
        seed: decides everything.
        tracing: keep what is only worth keeping when everything is printed.
        promises: the only ones to demand; None for all.
    """

    fresh_ms = 5_000.0
    nobody = NOBODY

    def __init__(self, seed: int, *, tracing: bool = False, promises: frozenset[str] | None = None) -> None:
        self.random = random.Random(seed)
        self.tracing = tracing
        self.plan = plan.draw(self.random, seed)
        self.faults = Faults(self.plan, self.random)
        self.loop = Loop(random.Random(seed), in_order=self.plan.in_order)
        self.history = History(self.loop.time)
        self.process_starts = 0
        self.processes: list[ShardProcess] = []
        self.known_for_seconds = known_for_seconds(self.fresh_ms, self.plan.latency_max_seconds)
        self.scripts = Scripts(self.plan, self.random)
        self.promises = Promises(promises)
        self.checker = Checker(self, self.promises)
        self.feed = Feed(self.loop, self.faults, self.random, self.plan.shards)
        self.index = Index(self.loop, self.faults)
        self.table = MemoryRequests(on_change=self._changed)
        self.sagas = Sagas(self, random.Random(f"sagas of {seed}"))
        self.clients = Clients(self)
        self.fleet = Fleet(self, self.plan.workers)
        functions = self.plan.functions
        self.mapping = SimulatedMapping(self, functions) if functions is not None else None
        self.schedule = Schedule(self)
        self.operators = Operators(self, self.plan.operators, random.Random(f"what operators do in {seed}"))
        self._failure: BaseException | None = None

    def port(self) -> Port:
        """Connect a process to the table."""
        return Port(self.loop, self.faults, self.table, self.index, self.checker, silent=self._silent)

    def operator_port(self) -> OperatorPort:
        """Connect an operator to the table."""
        return OperatorPort(self.loop, self.faults, self.table, self.index, self.checker)

    def spawn(self, coroutine: Coroutine[Any, Any, None], image: Image) -> None:
        """Run a coroutine of the simulation in a process; what goes wrong in it ends the schedule."""
        task = self.loop.create_task(coroutine, context=image.context)
        task.add_done_callback(self.check, context=self.nobody)

    def later(self, seconds: float, function: Callable[..., object], *args: object) -> None:
        """Have something happen that no process does."""
        self.loop.call_later(seconds, function, *args, context=self.nobody)

    def run(self) -> None:
        """Play the schedule to its end.

        Raises:
            ViolationError: a promise was broken.
        """
        try:
            self._schedule()
            quiet_at = self.plan.quiet_at
            self.loop.run(until=quiet_at, finished=lambda: self._broken)
            self._stop_if_broken()
            if not self.loop.run(
                until=quiet_at + _OPERATORS_SECONDS, finished=lambda: self._broken or self.operators.idle
            ):
                raise ViolationError("commands come to an end", "", f"not by {self.loop.time():.0f} s")
            self._stop_if_broken()
            deadline = self._deadline()
            self.history.note("quiet", detail=f"all must be settled by {deadline:.0f}")
            if not self.loop.run(until=deadline, finished=lambda: self._broken or self._all_settled()):
                key = self.checker.unsettled()[0]
                raise ViolationError("accepted is settled", key[0], f"still unsettled at {deadline:.0f} s")
            self._stop_if_broken()
            until = self.loop.time() + 200
            if not self.loop.run(until=until, finished=lambda: self._broken or self._all_read()):
                raise ViolationError("checkpoints reach the end", "", f"not by {until:.0f} s, though all is settled")
            self._stop_if_broken()
            self.checker.finish()
            self.sagas.finish(self.table.items.get, self.checker.is_open)
        finally:
            self.loop.close()
            for process in self.processes:
                process.dispose()

    def _schedule(self) -> None:
        plan, source = self.plan, self.random
        self.clients.schedule()
        for worker in self.fleet.workers:
            self._at(plan.start_at + source.random(), worker.start)
        if self.mapping is not None:
            self.schedule.start()
            assert plan.functions is not None
            self._at(plan.functions.start_at, self.mapping.start)
        if piles := {"backlog", "overload"} & plan.faults:  # no consumer, but a sweep: the scheduled one
            self.faults.struck |= piles
            if self.mapping is None:
                sweeper = Image("scheduled sweep")
                self.spawn(sweep_for_ever(self, sweeper), sweeper)
        Occasions(self).schedule()
        self.operators.schedule()

    def _at(self, at: float, act: Callable[[], None]) -> None:
        self.loop.call_at(at, act, context=self.nobody)

    def _changed(self, old: Item | None, new: Item | None) -> None:
        self.checker.changed(old, new)
        image = new if new is not None else old
        assert image is not None
        self.index.changed(image[names.ID]["S"], new)
        self.feed.changed(old, new, expired=self.checker.actor == "expiry")
        if new is not None and names.TTL in new:
            self.clients.settled(new)
        if new is not None and (names.TTL in new or names.ERROR in new):
            self.operators.happens(OUTCOME)

    def _silent(self) -> None:
        self.operators.happens(SILENCE)

    def _deadline(self) -> float:
        last = self.loop.time()
        for item in self.table.items.values():
            if names.DUE_AT in item and names.QUEUE in item:
                last = max(last, self.loop.time() + (int(item[names.DUE_AT]["N"]) - self.loop.now_ms()) / 1000)
        # A record that was lost just now is missed only after the next pause of its request.
        last = min(last, self.loop.time() + _PATIENCE * SWEEP_GRACE_MS / 1000)
        # A function with little time runs one of a batch and parks the others until the next sweep, at worst.
        parked_seconds = mapping.SWEEP_EVERY_SECONDS * len(self.checker.lives) if self.mapping is not None else 0
        return last + SWEEP_GRACE_MS / 1000 + _SLACK_SECONDS + parked_seconds

    def _all_settled(self) -> bool:
        return self.checker.all_settled()

    def _all_read(self) -> bool:
        return not self.feed.under_way and self.fleet.all_read() and (self.mapping is None or self.mapping.all_read())

    @property
    def _broken(self) -> bool:
        return self._failure is not None or self.promises.violation is not None

    def _stop_if_broken(self) -> None:
        if self.promises.violation is not None:
            raise self.promises.violation
        if self._failure is not None:
            raise self._failure

    def check(self, task: Any) -> None:
        """End the schedule by what went wrong in a task of the simulation."""
        if not task.cancelled() and task.exception() is not None:
            self._failure = self._failure or task.exception()

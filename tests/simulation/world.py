"""Everything of one schedule, put together from its seed."""

import random
from collections.abc import Callable, Coroutine
from typing import Any, Final

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import Item
from dropslot.core import names
from dropslot.core.transitions import Write
from dropslot.engine.ports import WriteResult
from tests.simulation import faults
from tests.simulation.checker import Checker, known_for_seconds
from tests.simulation.client import Clients
from tests.simulation.feed import Feed
from tests.simulation.fleet import Fleet
from tests.simulation.handlers import Scripts
from tests.simulation.history import History, ViolationError
from tests.simulation.loop import Image, Loop
from tests.simulation.process import ShardProcess
from tests.simulation.table import NOBODY, Index, Port
from tests.simulation.worker import SWEEP_GRACE_MS, Worker, sweep_for_ever

#: The sweep's pause grows up to this many graces.
_PATIENCE: Final = 64
#: After the last redrive that may be due: restarts, retries, and working off what has piled up.
_SLACK_SECONDS: Final = 1_500.0


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
        self.plan = faults.draw(self.random)
        self.faults = faults.Faults(self.plan, self.random)
        self.loop = Loop(random.Random(seed), in_order=self.plan.in_order)
        self.history = History(self.loop.time)
        self.process_starts = 0
        self.processes: list[ShardProcess] = []
        self.known_for_seconds = known_for_seconds(self.fresh_ms, self.plan.latency_max_seconds)
        self.scripts = Scripts(self.plan, self.random)
        self.checker = Checker(self, promises)
        self.feed = Feed(self.loop, self.faults, self.random, self.plan.shards)
        self.index = Index(self.loop, self.faults)
        self.table = MemoryRequests(on_change=self._changed)
        self.clients = Clients(self)
        self.fleet = Fleet(self, self.plan.workers)
        self._failure: BaseException | None = None

    def port(self, image: Image) -> Port:
        """Connect a process to the table."""

        def written(write: Write, result: WriteResult) -> None:
            self.checker.written(write, result, image)

        return Port(self.loop, self.faults, self.table, self.index, written)

    def spawn(self, coroutine: Coroutine[Any, Any, None], image: Image) -> None:
        """Run a coroutine of the simulation in a process; what goes wrong in it ends the schedule."""
        task = self.loop.create_task(coroutine, context=image.context)
        task.add_done_callback(self._check, context=self.nobody)

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
        finally:
            self.loop.close()
            for process in self.processes:
                process.dispose()

    def _schedule(self) -> None:
        plan, source = self.plan, self.random
        self.clients.schedule()
        for worker in self.fleet.workers:
            self._at(plan.start_at + source.random(), worker.start)
        if piles := {"backlog", "overload"} & plan.faults:  # no consumer, but a sweep: the scheduled one
            self.faults.struck |= piles
            sweeper = Image("scheduled sweep")
            self.spawn(sweep_for_ever(self, sweeper), sweeper)
        occasions: dict[str, Callable[[], None]] = {
            "process_crash": self._crash_process,
            "host_crash": self._crash_host,
            "freeze": self._freeze,
            "lease_move": self._move_lease,
            "stop": self._stop_worker,
            "reshard": self._split,
        }
        for name, act in occasions.items():
            if name in plan.faults:
                for _ in range(source.randint(1, 3)):
                    self._at(source.uniform(0, plan.quiet_at), act)

    def _at(self, at: float, act: Callable[[], None]) -> None:
        self.loop.call_at(at, act, context=self.nobody)

    def _worker(self) -> Worker:
        return self.random.choice(self.fleet.workers)

    def _crash_process(self) -> None:
        processes = [
            reader.process
            for worker in self.fleet.workers
            for reader in worker.readers
            if not reader.process.image.dead
        ]
        if processes:
            self.faults.struck.add("process_crash")
            self.random.choice(processes).image.fuse = self.random.choice((0, 1, 3, 10, 40))

    def _crash_host(self) -> None:
        if self._worker().crash("crash"):
            self.faults.struck.add("host_crash")

    def _stop_worker(self) -> None:
        if "reshard" in self.plan.faults and self.random.random() < 0.5:  # a stop while the last records are delivered
            self._split()
        if self._worker().stop():
            self.faults.struck.add("stop")

    def _freeze(self) -> None:
        if self._worker().freeze(self.random.choice((1.0, 8.0, 30.0))):
            self.faults.struck.add("freeze")

    def _move_lease(self) -> None:
        leases = list(self.fleet.leases.values())
        if leases and self.fleet.move(self.random.choice(leases)):
            self.faults.struck.add("lease_move")

    def _split(self) -> None:
        shard = self.random.choice([shard for shard in self.feed.shards if not shard.closed])
        if shard.depth < 3:
            self.history.note("shard split", detail=shard.id)
            self.faults.struck.add("reshard")
            self.feed.split(shard)
            self.fleet.offer()

    def _changed(self, old: Item | None, new: Item | None) -> None:
        self.checker.changed(old, new)
        image = new if new is not None else old
        assert image is not None
        self.index.changed(image[names.ID]["S"], new)
        self.feed.changed(old, new)
        if new is not None and names.TTL in new:
            self.clients.settled(new)

    def _deadline(self) -> float:
        last = self.loop.time()
        for item in self.table.items.values():
            if names.DUE_AT in item and names.QUEUE in item:
                last = max(last, self.loop.time() + (int(item[names.DUE_AT]["N"]) - self.loop.now_ms()) / 1000)
        # A record that was lost just now is missed only after the next pause of its request.
        return min(last, self.loop.time() + _PATIENCE * SWEEP_GRACE_MS / 1000) + SWEEP_GRACE_MS / 1000 + _SLACK_SECONDS

    def _all_settled(self) -> bool:
        return not self.checker.unsettled()

    def _all_read(self) -> bool:
        return not self.feed.under_way and all(
            (lease := self.fleet.leases.get(shard.id)) is not None
            and (
                lease.ended
                if shard.closed
                else not shard.records or lease.checkpoint == shard.records[-1].sequence_number
            )
            for shard in self.feed.shards
        )

    @property
    def _broken(self) -> bool:
        return self._failure is not None or self.checker.violation is not None

    def _stop_if_broken(self) -> None:
        if self.checker.violation is not None:
            raise self.checker.violation
        if self._failure is not None:
            raise self._failure

    def _check(self, task: Any) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failure = self._failure or task.exception()

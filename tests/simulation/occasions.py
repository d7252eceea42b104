"""What befalls workers, functions and shards, and when: each class of fault that a schedule has, up to three times."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tests.simulation.worker import Worker

if TYPE_CHECKING:
    from tests.simulation.world import World


class Occasions:
    """Strikes at what is there at the moment; a fault may find nothing.

    Args:
        world: everything.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = world.random
        self._fleet = world.fleet

    def schedule(self) -> None:
        """Decide what strikes when."""
        plan = self._world.plan
        for name, act in self._acts().items():
            if name in plan.faults:
                for _ in range(self._random.randint(1, 3)):
                    at = self._random.uniform(0, plan.quiet_at)
                    self._world.loop.call_at(at, act, context=self._world.nobody)

    def _acts(self) -> Mapping[str, Callable[[], object]]:
        acts: dict[str, Callable[[], object]] = {
            "process_crash": self._crash_process,
            "host_crash": self._crash_host,
            "freeze": self._freeze,
            "lease_move": self._move_lease,
            "stop": self._stop_worker,
            "reshard": self._split,
        }
        if self._world.mapping is not None:
            function = self._world.mapping.function
            acts |= {
                "function_crash": self._crash_function,
                "function_stall": lambda: function.stall(to_the_end=False),
                "function_timeout": lambda: function.stall(to_the_end=True),
                "function_idle": function.set_aside,
                "recycle": function.recycle,
                "mapping_restart": self._world.mapping.restart,
                "handover": self._hand_over,
            }
        return acts

    def _worker(self) -> Worker:
        return self._random.choice(self._fleet.workers)

    def _crash_process(self) -> None:
        processes = [
            reader.process
            for worker in self._fleet.workers
            for reader in worker.readers
            if not reader.process.image.dead
        ]
        if processes:
            self._struck("process_crash")
            self._random.choice(processes).image.fuse = self._random.choice((0, 1, 3, 10, 40))

    def _crash_host(self) -> None:
        if self._worker().crash("crash"):
            self._struck("host_crash")

    def _stop_worker(self) -> None:
        # A stop while the last records of a shard are delivered.
        if "reshard" in self._world.plan.faults and self._random.random() < 0.5:
            self._split()
        if self._worker().stop():
            self._struck("stop")

    def _freeze(self) -> None:
        if self._worker().freeze(self._random.choice((1.0, 8.0, 30.0))):
            self._struck("freeze")

    def _move_lease(self) -> None:
        leases = list(self._fleet.leases.values())
        if leases and self._fleet.move(self._random.choice(leases)):
            self._struck("lease_move")

    def _split(self) -> None:
        shard = self._random.choice([shard for shard in self._world.feed.shards if not shard.closed])
        if shard.depth < 3:
            self._world.history.note("shard split", detail=shard.id)
            self._struck("reshard")
            self._world.feed.split(shard)
            self._fleet.offer()
            if self._world.mapping is not None:
                self._world.mapping.offer()

    def _crash_function(self) -> None:
        assert self._world.mapping is not None
        self._world.mapping.function.crash()
        if self._random.random() < 0.3:
            self._world.schedule.crash()

    def _hand_over(self) -> None:
        """Let one of two consumers leave."""
        mapping = self._world.mapping
        if mapping is None or mapping.retired or self._fleet.retired:
            return
        self._struck("handover")
        if self._random.random() < 0.5:
            self._world.history.note("functions leave")
            mapping.retire()
            self._world.schedule.retired = True
        else:
            self._world.history.note("workers leave")
            self._fleet.retire()

    def _struck(self, name: str) -> None:
        self._world.faults.struck.add(name)

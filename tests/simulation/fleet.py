"""The lease table and who takes what from it."""

from typing import TYPE_CHECKING, Final

from tests.simulation.reader import Lease, Reader
from tests.simulation.worker import Worker

if TYPE_CHECKING:
    from tests.simulation.world import World

#: How long a lease that nobody renews stays with its owner.
FAILOVER_SECONDS: Final = 10.0


class Fleet:
    """All workers and all leases.

    Args:
        world: everything around it.
        size: how many workers there are.
    """

    def __init__(self, world: "World", size: int) -> None:
        self._world = world
        self.workers = [Worker(world, f"worker-{number}") for number in range(size)]
        self.leases: dict[str, Lease] = {}
        #: There is nobody, or it has left for good.
        self.retired = size == 0

    def offer(self) -> None:
        """Have every free lease taken that may be: children only once their parent was read to its end."""
        for shard in self._world.feed.shards:
            lease = self.leases.get(shard.id)
            if lease is None:
                before = self.leases.get(shard.parent.id) if shard.parent is not None else None
                if shard.parent is not None and (before is None or not before.ended):
                    continue
                lease = self.leases[shard.id] = Lease(shard)
            if lease.owner is None and not lease.ended and not lease.offered:
                takers = [worker for worker in self.workers if worker.takes_leases]
                if takers:
                    lease.offered = True
                    source = self._world.random
                    self._world.later(source.uniform(0.1, 3.0), self._take, lease, source.choice(takers))

    def release(self, reader: Reader) -> None:
        """Give a lease back, if it is still this reader's."""
        if reader.lease.owner is reader:
            reader.lease.owner = None
            self.offer()

    def expire(self, reader: Reader, *, if_frozen: bool = False) -> None:
        """Free a lease after the failover time, for nobody renews it."""

        def expire() -> None:
            if reader.lease.owner is reader and (reader.worker.frozen or not if_frozen):
                reader.lease.owner = None
                reader.lose()
                self.offer()

        self._world.later(FAILOVER_SECONDS, expire)

    def move(self, lease: Lease) -> bool:
        """Let another worker steal a lease, as it does to balance the load; False if there is none to do it."""
        owner = lease.owner
        takers = [
            worker for worker in self.workers if worker.takes_leases and (owner is None or worker != owner.worker)
        ]
        if owner is None or lease.ended or not takers:
            return False
        self._world.history.note("lease stolen", detail=owner.process.image.name)
        owner.lose()
        self._world.random.choice(takers).take(lease)
        return True

    def retire(self) -> None:
        """Stop all workers in order for good; those that can't be told to are lost."""
        self.retired = True
        for worker in self.workers:
            if not worker.stop():
                worker.crash("retired")

    def all_read(self) -> bool:
        """Tell whether all records are resolved, by the checkpoints; nobody asks one that has left."""
        return self.retired or all(
            (lease := self.leases.get(shard.id)) is not None
            and (
                lease.ended
                if shard.closed
                else not shard.records or lease.checkpoint == shard.records[-1].sequence_number
            )
            for shard in self._world.feed.shards
        )

    def _take(self, lease: Lease, worker: Worker) -> None:
        lease.offered = False
        if lease.owner is None and not lease.ended and worker.takes_leases:
            worker.take(lease)
        else:
            self.offer()

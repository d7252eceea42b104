"""What a daemon does for one lease: starts a shard process, feeds it, and keeps its checkpoint."""

import asyncio
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dropslot.runtimes.kcl.protocol import (
    Initialize,
    LeaseLost,
    Message,
    ProcessRecords,
    ShardEnded,
    ShutdownRequested,
    WireRecord,
)
from tests.simulation.feed import StreamShard
from tests.simulation.process import ShardProcess

if TYPE_CHECKING:
    from tests.simulation.worker import Worker

#: How long a daemon may go on before it finds out that it lost a lease.
LOSS_UNNOTICED_MAX_SECONDS: Final = 15.0


@dataclass(slots=True, eq=False)
class Lease:
    """A row of the lease table.

    Args:
        shard: whose.
        owner: who reads it; None when it is free.
        checkpoint: the row's sequence number, 0 for none.
        ended: the row says that the shard was read to its end.
        offered: somebody is about to take it.
    """

    shard: StreamShard
    owner: "Reader | None" = None
    checkpoint: int = 0
    ended: bool = False
    offered: bool = False


class Reader:
    """One lease in the hands of one daemon.

    Args:
        worker: whose daemon.
        lease: what it took.
    """

    def __init__(self, worker: "Worker", lease: Lease) -> None:
        self.worker = worker
        self.world = worker.world
        self.lease = lease
        self.daemon = worker.daemon
        #: It has said goodbye to its process, or will not come to that.
        self.finished = False
        self.lost_at = float("inf")
        self._wake: asyncio.Future[None] | None = None
        self._cursor = bisect_right(lease.shard.records, lease.checkpoint, key=lambda record: record.sequence_number)
        name = f"{worker.name}/{lease.shard.id}#{self.world.process_starts}"
        self.process = ShardProcess(
            self.world,
            name,
            checkpointed=self._checkpointed,
            ended=lambda why: worker.process_ended(self, why),
            holds_lease=lambda: lease.owner is self,
        )

    def start(self) -> None:
        """Start the process and feed it."""
        self.world.history.note("lease taken", detail=f"{self.process.image.name} from {self.lease.checkpoint}")
        self.lease.shard.readers.append(self.wake)
        self.process.start()
        self.world.spawn(self._feed(), self.daemon)

    def lose(self) -> None:
        """Note that the lease is another's; the daemon finds out some time later."""
        world = self.world
        self.lost_at = world.loop.time() + world.random.uniform(0, LOSS_UNNOTICED_MAX_SECONDS)
        world.loop.call_at(self.lost_at, self.wake, context=self.daemon.context)

    def wake(self) -> None:
        """Look again whether there is something to do."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _feed(self) -> None:
        await self._exchange(Initialize(shard_id=self.lease.shard.id))
        while not self.finished:
            if self.worker.daemon_stopping:
                await self._stop()
            elif self.world.loop.time() >= self.lost_at:
                await self._exchange(LeaseLost())
                self._close()
            elif not await self._deliver():
                if self.lease.shard.closed:
                    await self._end_shard()
                else:
                    await self._idle()

    async def _deliver(self) -> bool:
        """Deliver the next records; False if there are none."""
        records, source = self.lease.shard.records, self.world.random
        batch = records[self._cursor : self._cursor + source.choice((1, 3, 10, 50))]
        if not batch:
            return False
        self._cursor += len(batch)
        await self._exchange(
            ProcessRecords(
                records=[
                    WireRecord(
                        sequence_number=str(record.sequence_number),
                        data=record.data,
                        approximate_arrival_timestamp=record.arrived_ms,
                    )
                    for record in batch
                ]
            )
        )
        await asyncio.sleep(source.uniform(0.1, 0.5))
        return True

    async def _idle(self) -> None:
        delivered = self.lease.shard.records[self._cursor - 1].sequence_number if self._cursor else 0
        self._wake = self.world.loop.create_future()
        if self.lease.owner is self and self.lease.checkpoint < delivered:
            # Only then does the empty message that a daemon sends each second change anything.
            timer = self.world.loop.call_later(1.0, self.wake, context=self.daemon.context)
            await self._wake
            timer.cancel()
            if not self.worker.daemon_stopping and self._cursor == len(self.lease.shard.records):
                await self._exchange(ProcessRecords(records=[]))
        else:
            asleep_at = self.world.loop.time()
            await self._wake
            if self.world.loop.time() - asleep_at > 1.0 and not self.worker.daemon_stopping:
                # The last of the empty messages that were left out: the process keeps time by them.
                await self._exchange(ProcessRecords(records=[]))

    async def _stop(self) -> None:
        await self._exchange(ShutdownRequested())
        self.world.fleet.release(self)
        await self._exchange(LeaseLost())
        self._close()

    async def _end_shard(self) -> None:
        await self._exchange(ShardEnded())
        if self.lease.ended:
            self._close()
            self.world.fleet.offer()
        else:  # not checkpointed: said again, or the loss of the lease is found out
            await asyncio.sleep(1.0)

    async def _exchange(self, message: Message) -> None:
        await self.process.pipe.exchange(message)

    def _close(self) -> None:
        self.finished = True
        self.process.pipe.close()
        if self.wake in self.lease.shard.readers:
            self.lease.shard.readers.remove(self.wake)

    def _checkpointed(self, sequence_number: str | None) -> None:
        world = self.world
        delay = world.faults.latency(world.loop.time())
        world.loop.call_later(delay, self._set_checkpoint, sequence_number, context=self.daemon.context)

    def _set_checkpoint(self, sequence_number: str | None) -> None:
        world, lease = self.world, self.lease
        error = None
        if lease.owner is not self:
            error = "ShutdownException"
        elif world.faults.strikes("errors", 0.1, world.loop.time()):
            error = "ThrottlingException"
        else:
            delivered = lease.shard.records[self._cursor - 1].sequence_number if self._cursor else 0
            reached = int(sequence_number) if sequence_number is not None else delivered
            world.checker.checkpointed(lease, reached, delivered, ended=sequence_number is None)
            lease.checkpoint = reached
            lease.ended = lease.ended or sequence_number is None
        delay = world.faults.latency(world.loop.time())
        world.loop.call_later(delay, self.process.pipe.reply, error, context=self.daemon.context)

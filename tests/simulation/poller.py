"""Follows one shard for the mapping: filters its records, hands them to lanes, and knows how far they are resolved."""

import asyncio
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dropslot.local.mapping.event import ShardRecord
from dropslot.local.mapping.verdict import Answer
from tests.simulation.feed import Record, StreamShard
from tests.simulation.lane import Lane
from tests.simulation.loop import Image

if TYPE_CHECKING:
    from tests.simulation.mapping import SimulatedMapping

_STREAM_ARN = "arn:aws:kinesis:eu-central-1:000000000000:stream/requests"


class Poller:
    """Reads a shard from a position on, until another takes its place.

    Args:
        mapping: whose.
        shard: which.
        position: sequence number after which it begins.
    """

    def __init__(self, mapping: "SimulatedMapping", shard: StreamShard, position: int) -> None:
        self.world = mapping.world
        self.plan = mapping.plan
        self._mapping = mapping
        self._shard = shard
        self.position = position
        #: Another has taken its place, whether it knows or not: nothing that it does counts any more.
        self.replaced = False
        self._image = Image(f"poller of {shard.id}")
        self._open: dict[str, Record] = {}
        self._lanes = [Lane(self) for _ in range(mapping.plan.parallelization)]
        self._read_up_to = position
        self._cursor = sum(record.sequence_number <= position for record in shard.records)
        self._wake: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Start reading."""
        self.world.history.note("shard polled", detail=f"{self._shard.id} from {self.position}")
        self._shard.readers.append(self.wake)
        for work in (self._read(), *(lane.run() for lane in self._lanes)):
            self.world.spawn(work, self._image)

    def stop(self) -> None:
        """End; an invocation under way goes on by itself."""
        self._image.dead = True
        if self.wake in self._shard.readers:
            self._shard.readers.remove(self.wake)

    def wake(self) -> None:
        """Look again whether there is something to read."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def invoke(self, documents: Sequence[ShardRecord]) -> "asyncio.Future[Answer]":
        """Invoke the function with a batch.

        Raises:
            ThrottledError: not now.
        """
        records = [self._open[document.sequence_number] for document in documents]
        return self._mapping.function.invoke(documents, records, wanted=lambda: not self.replaced)

    def resolved(self, documents: Sequence[ShardRecord]) -> None:
        """Note records that are resolved or given up."""
        for document in documents:
            del self._open[document.sequence_number]
        self._move()

    async def _read(self) -> None:
        records, source = self._shard.records, self.world.random
        while True:
            for record in records[self._cursor :]:
                self._take(record)
            self._cursor = len(records)
            self._move()
            self._wake = self.world.loop.create_future()
            await self._wake
            await asyncio.sleep(source.uniform(0.05, 1.0))

    def _take(self, record: Record) -> None:
        self._read_up_to = record.sequence_number
        if not self._mapping.matches(record.data):
            self.world.checker.refused(record)
            return
        document = ShardRecord.of(
            shard_id=self._shard.id,
            stream_arn=_STREAM_ARN,
            sequence_number=str(record.sequence_number),
            partition_key=record.id,
            data=record.data,
            arrived_epoch_seconds=record.arrived_ms / 1000,
        )
        self._open[document.sequence_number] = record
        self._lanes[zlib.crc32(record.id.encode()) % len(self._lanes)].put(document)

    def _move(self) -> None:
        if self.replaced:
            return
        first = next(iter(self._open.values()), None)
        self.position = first.sequence_number - 1 if first is not None else self._read_up_to
        if first is None and self._shard.closed and self._cursor == len(self._shard.records):
            self._mapping.shard_ended(self._shard)

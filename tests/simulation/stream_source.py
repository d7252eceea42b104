"""The stream as a replay reads it: shards in their order, parents first, page by page."""

import random
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from dropslot.operate.replay.source import Record
from tests.simulation.loop import VirtualClock
from tests.simulation.operator import Operator

if TYPE_CHECKING:
    from tests.simulation.world import World


class StreamSource:
    """See `Source`.

    Args:
        world: everything around it.
        operator: who reads.
        source: decides how long pages are, and how long they take.
        until_ms: epoch milliseconds; what arrived later is left out.
    """

    def __init__(self, world: "World", operator: Operator, source: random.Random, *, until_ms: int) -> None:
        self._operator = operator
        self._random = source
        self._clock = VirtualClock(world.loop)
        # A shard is only split when it is there, so its children come after it.
        self._shards = {
            shard.id: [record for record in shard.records if record.arrived_ms <= until_ms]
            for shard in world.feed.shards
        }

    def lanes(self) -> Sequence[str]:
        """See `Source.lanes`."""
        return list(self._shards)

    async def pages(self, lane: str, *, after: str | None) -> AsyncIterator[Sequence[Record]]:
        """See `Source.pages`."""
        left = [record for record in self._shards[lane] if after is None or record.sequence_number > int(after)]
        while left:
            await self._clock.sleep(self._random.uniform(0, 0.05))
            size = self._random.choice((2, 20, 100))
            for record in left[:size]:
                self._operator.hear(record)
            yield [
                Record(
                    sequence_number=str(record.sequence_number), arrived_epoch_ms=record.arrived_ms, data=record.data
                )
                for record in left[:size]
            ]
            left = left[size:]

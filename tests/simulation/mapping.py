"""The mapping between stream and function: which shards are polled from where, and what its own restarts repeat."""

from typing import TYPE_CHECKING, Final

from dropslot.core import mapping
from dropslot.local.mapping.filters import compile_filters
from tests.simulation.feed import StreamShard
from tests.simulation.function import SimulatedFunction
from tests.simulation.plan import FunctionsPlan
from tests.simulation.poller import Poller

if TYPE_CHECKING:
    from tests.simulation.world import World

#: How long a poller may go on after another has taken its place.
REPLACED_MAX_SECONDS: Final = 10.0


class SimulatedMapping:
    """Polls every shard once it may: parents before their children.

    Its rules on answers and filters are those of the local mapping; those on what the function may answer are the
    checker's own.

    Args:
        world: everything around it.
        plan: its measures.
    """

    def __init__(self, world: "World", plan: FunctionsPlan) -> None:
        self.world = world
        self.plan = plan
        self.function = SimulatedFunction(world, plan)
        self.matches = compile_filters(mapping.FILTERS)
        self._enabled = False
        #: It has left for good.
        self.retired = False
        self._pollers: dict[str, Poller] = {}
        self._ended: set[str] = set()

    def start(self) -> None:
        """Enable it, unless it has left meanwhile; it begins with the oldest records."""
        if self.retired:
            return
        self.world.history.note("mapping enabled")
        self._enabled = True
        self.offer()

    def retire(self) -> None:
        """Disable it for good: nobody waits for the invocations under way."""
        self.retired, self._enabled = True, False
        for poller in self._pollers.values():
            poller.replaced = True
            poller.stop()

    def offer(self) -> None:
        """Poll the shards that can be, and aren't yet."""
        for shard in self.world.feed.shards:
            may_be = shard.parent is None or shard.parent.id in self._ended
            if self._enabled and may_be and shard.id not in self._pollers:
                self._poll(shard, 0)

    def restart(self) -> None:
        """Have another poller take a shard, from some records before."""
        shards = [
            shard
            for shard in self.world.feed.shards
            if shard.id in self._pollers.keys() - self._ended and not self._pollers[shard.id].replaced
        ]
        if not shards:
            return
        source = self.world.random
        self.world.faults.struck.add("mapping_restart")
        shard = source.choice(shards)
        before = self._pollers[shard.id]
        before.replaced = True
        self.world.later(source.choice((0.0, 1.0)) * source.uniform(0, REPLACED_MAX_SECONDS), before.stop)
        back = source.choice((0, 0, 3, 20))
        self.world.later(source.choice((0.0, 5.0)) * source.random(), self._poll, shard, max(0, before.position - back))

    def shard_ended(self, shard: StreamShard) -> None:
        """Note that all of a closed shard is resolved or given up."""
        if shard.id not in self._ended:
            self._ended.add(shard.id)
            self._pollers[shard.id].stop()
            self.offer()

    def all_read(self) -> bool:
        """Tell whether all records are resolved or given up; nobody asks one that has left."""
        return self.retired or all(
            shard.id in self._ended
            or (
                (poller := self._pollers.get(shard.id)) is not None
                and not poller.replaced
                and (not shard.records or poller.position >= shard.records[-1].sequence_number)
            )
            for shard in self.world.feed.shards
        )

    def _poll(self, shard: StreamShard, position: int) -> None:
        if self.retired:
            return
        self._pollers[shard.id] = poller = Poller(self, shard, position)
        poller.start()

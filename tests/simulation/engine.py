"""The engine of a simulated shard process: the product's blocking one, on the shared loop instead of a thread."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from greenlet import GreenletExit

from dropslot.adapters.counters import MemoryCounters
from dropslot.engine.shard import Shard
from dropslot.runtimes.threaded import TICK_SECONDS, ThreadedShard
from tests.simulation.blocking import BlockingCode
from tests.simulation.loop import Image, Loop

T = TypeVar("T")


class SimulatedEngine(ThreadedShard):
    """A `ThreadedShard` whose calls block a greenlet.

    Args:
        loop: where the shard runs.
        code: what blocks.
        image: the process it belongs to.
        shard: the shard itself.
        counters: what it counts in.
        lost_handlers_max: see `ThreadedShard`.
        unreachable_limit_seconds: see `ThreadedShard`.
        stall_limit_seconds: see `ThreadedShard`.
    """

    def __init__(
        self,
        loop: Loop,
        code: BlockingCode,
        image: Image,
        shard: Shard,
        *,
        counters: MemoryCounters,
        lost_handlers_max: int,
        unreachable_limit_seconds: float,
        stall_limit_seconds: float,
    ) -> None:
        # Not the parent's own: that one starts a thread.
        self._counters = counters
        self._lost_handlers_max = lost_handlers_max
        self._unreachable_limit_seconds = unreachable_limit_seconds
        self._stall_limit_seconds = stall_limit_seconds
        self._monotonic_seconds = loop.time
        self._resolved_before = 0
        self._progress_at = loop.time()
        self._shard = shard
        self._image = image
        self._code = code
        self._virtual = loop

    def abandon(self) -> None:
        """See `ThreadedShard.abandon`."""
        if not self._image.dead:
            self._shard.abandon()

    def close(self) -> None:
        """End the process's tasks: what they would still do, a process that exits or execs doesn't do either."""
        self._image.dead = True

    def _call(self, coroutine: Coroutine[Any, Any, T], *, tick: Callable[[], None] | None) -> T:
        if self._image.dead:  # the code is on its way out of a process that was killed: it does nothing any more
            coroutine.close()
            raise GreenletExit
        task = self._virtual.create_task(coroutine, context=self._image.context)
        while not self._code.wait_for(task, TICK_SECONDS):
            if tick is not None:
                tick()
        result: T = task.result()
        return result

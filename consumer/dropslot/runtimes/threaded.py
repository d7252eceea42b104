"""The engine for callers that block: a shard on a loop in a thread of its own."""

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from dropslot.adapters.counters import MemoryCounters
from dropslot.engine.shard import Shard
from dropslot.engine.stream_record import StreamRecord

T = TypeVar("T")

#: How long the last writes of a stopping process may take, and then its loop.
LAST_SECONDS: Final = 2.0

#: How long a blocking call waits between two calls of its `tick`.
TICK_SECONDS: Final = 0.5


class ThreadedShard:
    """Runs a `Shard` for a blocking protocol loop; its methods are called from one thread.

    Args:
        make_shard: builds the shard, on the loop.
        counters: what the shard counts in.
        lost_handlers_max: handlers that never returned after which the process should be replaced.
        unreachable_limit_seconds: how long no call may get through before the shard counts as unreachable.
        stall_limit_seconds: how long no record may be resolved before the shard counts as stalled.
        monotonic_seconds: a steady clock.
    """

    def __init__(
        self,
        make_shard: Callable[[], Shard],
        *,
        counters: MemoryCounters,
        lost_handlers_max: int,
        unreachable_limit_seconds: float,
        stall_limit_seconds: float,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counters = counters
        self._lost_handlers_max = lost_handlers_max
        self._unreachable_limit_seconds = unreachable_limit_seconds
        self._stall_limit_seconds = stall_limit_seconds
        self._monotonic_seconds = monotonic_seconds
        self._resolved_before = 0
        self._progress_at = monotonic_seconds()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dropslot-shard", daemon=True)
        self._thread.start()
        try:
            self._shard = self._call(_build(make_shard), tick=None)
        except BaseException:
            self._end_loop()
            raise

    def submit(self, records: Sequence[StreamRecord], *, tick: Callable[[], None]) -> None:
        """See `Shard.submit`; calls `tick` now and then while it blocks."""
        if not self._shard.unresolved:
            self._progress_at = self._monotonic_seconds()
        self._call(self._shard.submit(records), tick=tick)

    @property
    def checkpoint(self) -> str | None:
        """Sequence number up to which (inclusive) all is resolved."""
        return self._shard.position

    @property
    def complete(self) -> bool:
        """Every record that was handed in is resolved."""
        return self._shard.complete

    def drain(self, timeout_seconds: float, *, tick: Callable[[], None]) -> bool:
        """Wait for work in flight; tell whether it came to an end."""

        async def drain() -> bool:
            try:
                async with asyncio.timeout(timeout_seconds) as limit:
                    await self._shard.drain()
            except TimeoutError:
                if not limit.expired():
                    raise  # a fault of the shard, not our limit
                return False
            return True

        return self._call(drain(), tick=tick)

    def abandon(self) -> None:
        """See `Shard.abandon`."""
        self._loop.call_soon_threadsafe(self._shard.abandon)

    def stand_down(self) -> None:
        """Note that the process ends in order although requests still run; gives the table a moment to take it."""

        async def stand_down() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await self._shard.stand_down()

        self._call(stand_down(), tick=None)

    @property
    def stalled(self) -> bool:
        """Records are open, the table answers, and yet none has been resolved for longer than any handler may take."""
        resolved = self._shard.resolved
        now = self._monotonic_seconds()
        if resolved != self._resolved_before or not self._shard.unresolved or self._shard.failing_seconds():
            self._resolved_before = resolved
            self._progress_at = now
        return now - self._progress_at > self._stall_limit_seconds

    @property
    def must_recycle(self) -> bool:
        """Too many handlers never returned: this process must be replaced."""
        return self._shard.lost_handlers >= self._lost_handlers_max

    @property
    def unreachable(self) -> bool:
        """No write has got through for too long."""
        return self._shard.failing_seconds() >= self._unreachable_limit_seconds

    @property
    def counters(self) -> Mapping[str, int]:
        """Totals of this process."""
        return {**self._counters.totals(), "lost_handlers": self._shard.lost_handlers}

    def close(self) -> None:
        """Cancel what is under way and end the loop."""
        self._loop.call_soon_threadsafe(self._shard.close)
        self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LAST_SECONDS)
        if self._thread.is_alive():
            return  # a handler holds it up, and the process ends anyway
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, T], *, tick: Callable[[], None] | None) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        while True:
            try:
                return future.result(timeout=TICK_SECONDS)
            except concurrent.futures.TimeoutError:
                if future.done():  # just now, or with a TimeoutError of its own
                    return future.result()
                if tick is not None:
                    tick()


async def _build(make_shard: Callable[[], Shard]) -> Shard:
    return make_shard()

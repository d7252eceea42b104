"""A lane of a shard: batches of some keys, one after the other, each until it is resolved or given up."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from dropslot.local.mapping.event import ShardRecord
from dropslot.local.mapping.verdict import Batch, judge, split_by_age
from tests.simulation.function import ThrottledError
from tests.simulation.loop import EPOCH_MS

if TYPE_CHECKING:
    from tests.simulation.poller import Poller

#: Pauses after failed invocations double from the first to the last.
FIRST_PAUSE_SECONDS: Final = 0.1
LAST_PAUSE_SECONDS: Final = 5.0
#: Pause after an invocation that was refused.
THROTTLED_SECONDS: Final = 1.0


class Lane:
    """Delivers.

    Args:
        poller: whose.
    """

    def __init__(self, poller: "Poller") -> None:
        self._poller = poller
        self._world = poller.world
        self._plan = poller.plan
        self._queue: deque[ShardRecord] = deque()
        self._news: asyncio.Future[None] | None = None

    def put(self, record: ShardRecord) -> None:
        """Add a record."""
        self._queue.append(record)
        _wake(self._news)

    async def run(self) -> None:
        """Deliver for ever; there is nothing more to do at the end of a shard."""
        while True:
            while not self._queue:
                await self._wait(None)
            gathered_at = self._world.loop.time() + self._plan.window_seconds
            while len(self._queue) < self._plan.batch_size and self._world.loop.time() < gathered_at:
                await self._wait(gathered_at)
            size = min(len(self._queue), self._plan.batch_size)
            await self._deliver(Batch(records=tuple(self._queue.popleft() for _ in range(size))))

    async def _wait(self, until: float | None) -> None:
        self._news = news = self._world.loop.create_future()
        timer = self._world.loop.call_at(until, _wake, news) if until is not None else None
        await news
        if timer is not None:
            timer.cancel()

    async def _deliver(self, batch: Batch) -> None:
        waiting = deque([batch])
        pause = FIRST_PAUSE_SECONDS
        while waiting:
            now_seconds = EPOCH_MS / 1000 + self._world.loop.time()
            old, young = split_by_age(
                waiting.popleft(), now_epoch_seconds=now_seconds, record_age_seconds=self._plan.record_age_seconds
            )
            if old is not None:
                self._give_up(old, "too old")
            if young is None:
                continue
            try:
                call = self._poller.invoke(young.records)
            except ThrottledError:  # no failure: it uses up no retry, only time
                waiting.appendleft(young)
                await asyncio.sleep(THROTTLED_SECONDS)
                continue
            verdict = judge(young, await call, bisect=self._plan.bisect, retry_attempts=self._plan.retry_attempts)
            kept = {record.sequence_number for part in verdict.again for record in part.records}
            if verdict.given_up is not None:
                kept.update(record.sequence_number for record in verdict.given_up.records)
            self._poller.resolved([record for record in young.records if record.sequence_number not in kept])
            if verdict.given_up is not None:
                self._give_up(verdict.given_up, "no retries left")
            waiting.extendleft(reversed(verdict.again))
            if verdict.failed:
                await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE_SECONDS) if verdict.failed else FIRST_PAUSE_SECONDS

    def _give_up(self, batch: Batch, why: str) -> None:
        self._world.history.note("given up", detail=f"{len(batch.records)} records: {why}")
        self._world.faults.struck.add("give_up")
        self._poller.resolved(batch.records)


def _wake(news: "asyncio.Future[None] | None") -> None:
    if news is not None and not news.done():
        news.set_result(None)

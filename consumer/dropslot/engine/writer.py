"""Gathers writes from many runs into full batches, and repeats them until the table has answered each."""

import asyncio
from collections import deque
from typing import Final

import msgspec

from dropslot.core.errors import TransientError
from dropslot.core.transitions import Write
from dropslot.engine.backoff import Backoff
from dropslot.engine.ports import Clock, Counters, Requests, WriteResult
from dropslot.engine.reachability import Reachability

#: Batches under way at once: a second one fills the pause while the first is answered; more would make them smaller.
PARALLEL_BATCHES: Final = 2


class _Pending(msgspec.Struct, eq=False):
    write: Write
    result: asyncio.Future[WriteResult]

    def fail(self, error: BaseException) -> None:
        """Pass an error on to whoever waits."""
        if isinstance(error, asyncio.CancelledError):
            self.result.cancel()
        elif not self.result.done():
            self.result.set_exception(error)


class Writer:
    """Batches writes over the `Requests` port.

    A write goes out at once while the table is idle, and together with others while it isn't. Within a batch each id
    stands once, since the table refuses a whole batch otherwise; the second write of an id follows in a later batch.
    """

    def __init__(
        self, requests: Requests, *, clock: Clock, counters: Counters, backoff: Backoff, reachability: Reachability
    ) -> None:
        self._requests = requests
        self._clock = clock
        self._counters = counters
        self._backoff = backoff
        self._reachability = reachability
        self._queue: deque[_Pending] = deque()
        self._in_flight: set[str] = set()
        self._flushing = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, write: Write) -> WriteResult:
        """Make one write; returns when the table has decided, however long that takes."""
        pending = _Pending(write, asyncio.get_running_loop().create_future())
        self._queue.append(pending)
        self._start_flush()
        return await pending.result

    def _start_flush(self) -> None:
        if self._flushing < PARALLEL_BATCHES:
            self._flushing += 1
            task = asyncio.create_task(self._flush())
            self._tasks.add(task)
            task.add_done_callback(self._flushed)

    def _flushed(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        # The error is already with those who wait for its writes; what was queued behind them is sent all the same.
        if not task.cancelled() and task.exception() is not None and self._queue:
            self._start_flush()

    async def _flush(self) -> None:
        try:
            await self._send_all()
        finally:
            # Without an await since the queue was found empty: a write made from here on starts a flush of its own.
            self._flushing -= 1

    async def _send_all(self) -> None:
        # Let everything that is ready to run first add its write: a batch costs the same for one as for twenty-five.
        await asyncio.sleep(0)
        failures = 0
        while batch := self._take():
            try:
                retry = await self._send(batch)
            finally:
                # After a fault as well: what is still to be written of these requests must not wait for it for ever.
                self._in_flight.difference_update(pending.write.id for pending in batch)
            self._queue.extendleft(reversed(retry))
            if retry:
                await self._clock.sleep(self._backoff.seconds(failures))
                failures += 1
            else:
                failures = 0

    def _take(self) -> list[_Pending]:
        batch: list[_Pending] = []
        held_back: list[_Pending] = []
        while self._queue and len(batch) < self._requests.max_batch:
            pending = self._queue.popleft()
            if pending.result.done():  # whoever waited has gone
                continue
            if pending.write.id in self._in_flight:
                held_back.append(pending)
                continue
            self._in_flight.add(pending.write.id)
            batch.append(pending)
        self._queue.extendleft(reversed(held_back))
        return batch

    async def _send(self, batch: list[_Pending]) -> list[_Pending]:
        """Send a batch and answer what is decided; return what must be sent again."""
        try:
            results = await self._requests.write([pending.write for pending in batch])
            answered = list(zip(batch, results, strict=True))
        except TransientError as error:
            self._counters.add("write_batches_failed")
            self._reachability.failed(str(error))
            return batch
        except BaseException as error:
            # A fault of ours, or the end of the shard: whoever waits for these writes must see it.
            for pending in batch:
                pending.fail(error)
            raise
        self._counters.add("write_batches")
        retry = []
        for pending, result in answered:
            if result is WriteResult.RETRY:
                retry.append(pending)
            elif not pending.result.done():
                pending.result.set_result(result)
        if len(retry) < len(batch):
            self._reachability.reached()
        else:
            self._reachability.failed("every write of a batch has to be repeated")
        self._counters.add("writes_retried", len(retry))
        return retry

"""A lane of a shard: gathers batches and delivers one after the other, until each is resolved or given up."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from logging import getLogger
from typing import Final, TypeAlias

from dropslot.local.mapping.event import EMPTY_EVENT_BYTES, PAYLOAD_MAX_BYTES, ShardRecord, event_of
from dropslot.local.mapping.failures import FailureFolder
from dropslot.local.mapping.function import Function
from dropslot.local.mapping.options import MappingOptions
from dropslot.local.mapping.verdict import RETRIES_EXHAUSTED, TOO_OLD, Answer, Batch, judge, split_by_age

_log: Final = getLogger(__name__)

#: Pauses after failed invocations double from the first to the last. AWS doesn't document its own.
_FIRST_PAUSE_SECONDS: Final = 0.1
_LAST_PAUSE_SECONDS: Final = 5.0
#: How often a disabled mapping looks whether it is enabled again.
_DISABLED_SECONDS: Final = 0.5

#: Told of each record once it is resolved or given up.
Resolved: TypeAlias = Callable[[ShardRecord], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What all lanes of a mapping share.

    Args:
        options: of the mapping.
        function: gets the batches.
        failures: keeps what is given up; None where it is dropped.
    """

    options: MappingOptions
    function: Function
    failures: FailureFolder | None


class Lane:
    """Delivers the records of some partition keys of one shard, in order.

    Args:
        shard_id: the shard.
        delivery: see there.
        resolved: see `Resolved`.
        disabled: whether nothing may be delivered for now.
    """

    def __init__(
        self, shard_id: str, delivery: Delivery, *, resolved: Resolved, disabled: Callable[[], bool] = lambda: False
    ) -> None:
        self._shard_id = shard_id
        self._options = delivery.options
        self._function = delivery.function
        self._failures = delivery.failures
        self._resolved = resolved
        self._disabled = disabled
        # No more than the next batch is read ahead; None ends the lane.
        self._queue: asyncio.Queue[ShardRecord | None] = asyncio.Queue(maxsize=self._options.batch_size)
        self._held: ShardRecord | None = None
        self._ended = False

    async def put(self, record: ShardRecord) -> None:
        """Add a record; waits while there is no room."""
        await self._queue.put(record)

    async def end(self) -> None:
        """Let the lane end once it has delivered everything."""
        await self._queue.put(None)

    async def run(self) -> None:
        """Deliver until the end. When cancelled, an invocation under way gets its grace; what it resolves counts."""
        while records := await self._gather():
            await self._deliver(Batch(records=records))

    async def _gather(self) -> tuple[ShardRecord, ...]:
        """Wait for records; a batch is full by number or by size, or when the window has passed. Empty at the end.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html#invocation-eventsourcemapping-batching
        """
        if self._ended:
            return ()
        first = self._held if self._held is not None else await self._queue.get()
        self._held = None
        if first is None:
            return ()
        records, size = [first], EMPTY_EVENT_BYTES + first.event_bytes
        deadline = time.monotonic() + self._options.batching_window_seconds
        while len(records) < self._options.batch_size:
            try:
                record = await self._next(deadline)
            except TimeoutError:
                break
            if record is None:
                self._ended = True
                break
            size += record.event_bytes
            if size > PAYLOAD_MAX_BYTES:
                self._held = record
                break
            records.append(record)
        return tuple(records)

    async def _next(self, deadline: float) -> ShardRecord | None:
        try:
            return self._queue.get_nowait()
        except asyncio.QueueEmpty:
            return await asyncio.wait_for(self._queue.get(), max(0.0, deadline - time.monotonic()))

    async def _deliver(self, batch: Batch) -> None:
        waiting = [batch]
        pause = _FIRST_PAUSE_SECONDS
        answer: Answer | None = None
        while waiting:
            while self._disabled():  # noqa: ASYNC110 - another process enables it
                await asyncio.sleep(_DISABLED_SECONDS)
            old, young = split_by_age(
                waiting.pop(0), now_epoch_seconds=time.time(), record_age_seconds=self._options.record_age_seconds
            )
            if old is not None:
                self._give_up(old, TOO_OLD, answer)
            if young is None:
                continue
            answer, again, failed = await self._invoke(young)
            waiting[:0] = again
            if failed:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LAST_PAUSE_SECONDS)
            else:
                pause = _FIRST_PAUSE_SECONDS

    async def _invoke(self, batch: Batch) -> tuple[Answer, tuple[Batch, ...], bool]:
        call = asyncio.create_task(self._function.invoke(event_of(batch.records)))
        try:
            answer = await asyncio.shield(call)
        except asyncio.CancelledError:
            await asyncio.wait({call}, timeout=self._options.grace_seconds)
            if call.done():
                self._settle(batch, call.result())
            else:
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
            raise
        return answer, *self._settle(batch, answer)

    def _settle(self, batch: Batch, answer: Answer) -> tuple[tuple[Batch, ...], bool]:
        verdict = judge(batch, answer, bisect=self._options.bisect, retry_attempts=self._options.retry_attempts)
        open_numbers = {record.sequence_number for part in verdict.again for record in part.records}
        if verdict.given_up is not None:
            self._give_up(verdict.given_up, RETRIES_EXHAUSTED, answer)
            open_numbers |= {record.sequence_number for record in verdict.given_up.records}
        for record in batch.records:
            if record.sequence_number not in open_numbers:
                self._resolved(record)
        if verdict.again or verdict.given_up is not None:
            _log.warning(
                "batch_failed",
                extra={
                    "shard_id": self._shard_id,
                    "records": len(batch.records),
                    "unresolved": len(open_numbers),
                    "retries": batch.retries,
                    "request": answer.request_id,
                },
            )
        return verdict.again, verdict.failed

    def _give_up(self, batch: Batch, condition: str, answer: Answer | None) -> None:
        kept: dict[str, str] = {}
        if self._failures is not None:
            last = answer if batch.invocations else None
            file = self._failures.keep(
                batch, shard_id=self._shard_id, condition=condition, answer=last, now=datetime.now(UTC)
            )
            kept = {"file": str(file)}
        _log.error(
            "batch_given_up",
            extra={"shard_id": self._shard_id, "records": len(batch.records), "condition": condition, **kept},
        )
        for record in batch.records:
            self._resolved(record)

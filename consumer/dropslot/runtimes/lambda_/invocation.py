"""One batch in one invocation: run what asks for it, answer in time, and say from where on it isn't resolved."""

import asyncio
from collections.abc import Coroutine, Sequence
from logging import getLogger
from typing import Any, Final

from dropslot.engine.ports import Clock
from dropslot.engine.shard import Shard
from dropslot.engine.stream_record import StreamRecord

_log: Final = getLogger(__name__)

#: What taking back the counted starts of unfinished requests may take, out of the time left for the answer.
STAND_DOWN_SECONDS: Final = 1.0


async def resolve(
    shard: Shard, records: Sequence[StreamRecord], *, seconds: float, clock: Clock
) -> Sequence[StreamRecord]:
    """Resolve a batch, as far as time allows.

    Args:
        shard: one that has seen no records yet.
        records: the batch.
        seconds: when they have passed, what is still under way is given up: it must be delivered again.
        clock: time.

    Returns:
        The records from the first unresolved one on; later ones may be resolved, but the batch is repeated from there.
    """
    try:
        in_time = await _within(seconds, _work(shard, records), clock)
    except Exception:  # noqa: BLE001 - whatever it is, the batch must be answered for
        # Not raised: the part that is resolved can be acknowledged, and the rest has another try.
        _log.exception("invocation_failed")
        in_time = False
    left = _after(records, shard.position)
    if left:
        shard.abandon()
        if not in_time:
            # Nobody has died: don't blame those who are still under way.
            await _within(STAND_DOWN_SECONDS, shard.stand_down(), clock)
        shard.close()
        _log.warning("batch_unresolved", extra={"records": len(records), "unresolved": len(left)})
    return left


async def _work(shard: Shard, records: Sequence[StreamRecord]) -> None:
    await shard.submit(records)
    await shard.drain()


async def _within(seconds: float, work: Coroutine[Any, Any, None], clock: Clock) -> bool:
    """Do something for a limited time; tell whether it came to an end."""
    working = asyncio.ensure_future(work)
    limit = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((working, limit), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        return working.done()
    finally:
        for task in (working, limit):
            task.cancel()
        await asyncio.gather(working, limit, return_exceptions=True)


def _after(records: Sequence[StreamRecord], position: str | None) -> Sequence[StreamRecord]:
    if position is None:
        return records
    resolved = next(index for index, record in enumerate(records) if record.sequence_number == position)
    return records[resolved + 1 :]

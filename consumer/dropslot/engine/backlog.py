"""How much is unsettled: counted now and then and logged, for dashboards and alarms."""

from logging import getLogger
from typing import Final

import msgspec

from dropslot.core import names
from dropslot.core.errors import TransientError
from dropslot.engine.ports import Clock, UnfinishedCount

_log: Final = getLogger(__name__)

#: Counted per queue at most: a count reads what it counts, and beyond this many nobody needs the exact number.
ROWS_PER_QUEUE: Final = 1_000


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that are not settled, by the index, so about right.

    Args:
        unsettled: pending and waiting ones.
        overdue: of them, those which the sweep should have redriven a whole grace ago: it is down, or too slow.
        complete: False if a queue held more than was counted.
    """

    unsettled: int
    overdue: int
    complete: bool


async def measure(index: UnfinishedCount, *, now_ms: int, grace_ms: int) -> Backlog:
    """Count the backlog.

    Args:
        index: of unfinished requests.
        now_ms: epoch milliseconds.
        grace_ms: the sweep's.

    Raises:
        TransientError: the table can't be reached.
    """
    unsettled = overdue = 0
    complete = True
    for digit in names.SPREAD_DIGITS:
        for status, late_ms in ((names.WAITING, grace_ms), (names.PENDING, 2 * grace_ms)):
            queue = names.stored_status(status, digit)
            count = await index.count_unfinished(queue, limit=ROWS_PER_QUEUE)
            unsettled += count
            complete = complete and count < ROWS_PER_QUEUE
            if count:
                overdue += await index.count_unfinished(queue, due_before_ms=now_ms - late_ms, limit=ROWS_PER_QUEUE)
    return Backlog(unsettled=unsettled, overdue=overdue, complete=complete)


async def tell(index: UnfinishedCount, *, clock: Clock, grace_ms: int) -> None:
    """Measure and log the backlog; a table out of reach is logged too, by a line of its own."""
    try:
        backlog = await measure(index, now_ms=clock.now_ms(), grace_ms=grace_ms)
    except TransientError as error:
        _log.warning("backlog_unreachable", extra={"error": str(error)})
    else:
        _log.info("backlog", extra=msgspec.structs.asdict(backlog))

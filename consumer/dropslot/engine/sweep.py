"""The sweep: redrives waiting requests when they are due, and pending ones that are overdue."""

from collections.abc import Callable, Sequence
from logging import getLogger
from typing import Final

import msgspec

from dropslot.core import names
from dropslot.core.errors import TransientError
from dropslot.core.item import Unfinished
from dropslot.core.policy import next_due_at
from dropslot.core.transitions import redrive
from dropslot.engine.ports import Clock, Counters, Requests, WriteResult

_log: Final = getLogger(__name__)

#: Rows redriven per queue and sweep: bounds what one sweep adds to the stream, the rest follows in the next.
ROWS_PER_QUEUE: Final = 100


class SweepOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how patiently to sweep.

    Args:
        interval_seconds: pause between two sweeps.
        grace_ms: how long past its `due_at` a pending request is left alone: its change record is under way.
    """

    interval_seconds: float = 5.0
    grace_ms: int = 300_000


class Sweep:
    """Sweeps over the index; any number of sweepers may run, conditions let one of them win each row.

    Args:
        requests: the table.
        clock: time.
        counters: where events are counted.
        options: how often and how patiently.
        paused: whether `run` must redrive nothing for now; asked before each sweep.
    """

    def __init__(
        self,
        *,
        requests: Requests,
        clock: Clock,
        counters: Counters,
        options: SweepOptions,
        paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._requests = requests
        self._clock = clock
        self._counters = counters
        self._options = options
        self._paused = paused

    async def run(self) -> None:
        """Sweep until cancelled; an unreachable table only delays it."""
        while True:
            try:
                redriven = await self.once() if not self._paused() else 0
            except TransientError as error:
                _log.warning("sweep_unreachable", extra={"error": str(error)})
            else:
                if redriven:
                    _log.info("sweep_redriven", extra={"requests": redriven})
            await self._clock.sleep(self._options.interval_seconds)

    async def once(self) -> int:
        """Sweep every queue once.

        Returns:
            How many requests it redrove.

        Raises:
            TransientError: the table can't be reached; what was redriven before stays so.
        """
        redriven = 0
        for digit in names.SPREAD_DIGITS:
            redriven += await self._sweep(names.WAITING, digit, 0)
            redriven += await self._sweep(names.PENDING, digit, self._options.grace_ms)
        return redriven

    async def _sweep(self, status: str, digit: str, grace_ms: int) -> int:
        queue = names.stored_status(status, digit)
        due_before_ms = self._clock.now_ms() - grace_ms
        after: Unfinished | None = None
        # Rows that nobody can redrive (an item without a request, say) must not hide those behind them.
        while rows := await self._requests.unfinished(
            queue, due_before_ms=due_before_ms, limit=ROWS_PER_QUEUE, after=after
        ):
            results = await self._redrive(rows)
            redriven = results.count(WriteResult.APPLIED)
            if redriven or WriteResult.RETRY in results:
                return redriven
            after = rows[-1]
        return 0

    async def _redrive(self, rows: Sequence[Unfinished]) -> list[WriteResult]:
        results: list[WriteResult] = []
        for start in range(0, len(rows), self._requests.max_batch):
            batch = rows[start : start + self._requests.max_batch]
            now_ms = self._clock.now_ms()
            writes = [
                redrive(row, due_at=next_due_at(row.state, now_ms=now_ms, grace_ms=self._options.grace_ms))
                for row in batch
            ]
            answers = await self._requests.write(writes)
            for row, answer in zip(batch, answers, strict=True):
                self._note(row, answer)
            results.extend(answers)
        return results

    def _note(self, row: Unfinished, result: WriteResult) -> None:
        if result is WriteResult.APPLIED:
            self._counters.add(f"redriven_{row.state.status}")
        elif result in {WriteResult.TOO_LARGE, WriteResult.INVALID}:
            self._counters.add("unwritable")
            _log.error("sweep_unwritable", extra={"request_id": row.state.id, "why": result.value})

"""One batch in the hands of one environment of a function."""

from collections.abc import Callable, Sequence
from typing import Final

from tests.simulation.feed import Record
from tests.simulation.holder import LAMBDA
from tests.simulation.life import Key

#: What is left for the last outcomes.
WRITE_SECONDS: Final = 5.0


class Invocation:
    """Holds its batch until it has answered for it, and from then on what it has resolved of it.

    Args:
        name: for the history.
        records: the batch.
        up_since_ms: epoch milliseconds of the environment's start.
        started_ms: epoch milliseconds of its own.
        timeout_seconds: of the function.
        wanted: whether the mapping still waits for its answer.
    """

    consumer: Final = LAMBDA

    def __init__(
        self,
        name: str,
        records: Sequence[Record],
        *,
        up_since_ms: int,
        started_ms: int,
        timeout_seconds: float,
        wanted: Callable[[], bool],
    ) -> None:
        self.name: Final = name
        self.records: Final = records
        self.frozen_seconds = 0.0
        self.under_way = True
        self._up_since_ms = up_since_ms
        self._started_ms = started_ms
        self._timeout_seconds = timeout_seconds
        self._wanted = wanted
        self._given_back: frozenset[str] = frozenset()

    def has(self, request_id: str) -> bool:
        """See `Holder.has`."""
        return self._wanted() if self.under_way else request_id not in self._given_back

    def end(self, resolved: int) -> None:
        """Note its end.

        Args:
            resolved: how many records it has answered for; what comes after them is delivered again.
        """
        self._given_back = frozenset(record.id for record in self.records[resolved if self._wanted() else 0 :])
        self.under_way = False

    def looked_new(self, key: Key, fresh_ms: float) -> bool:
        """Tell whether a record of a request could have been delivered for the first time, as far as can be known."""
        since = max(self._up_since_ms, self._started_ms - fresh_ms)
        return any(
            record.asks and (record.id, record.accepted_at) == key and record.arrived_ms >= since
            for record in self.records
        )

    def is_late(self, now_ms: int, handler_limit_seconds: float) -> bool:
        """Tell whether a handler that starts now may not have its full time any more, and its outcome to be written."""
        left_seconds = self._timeout_seconds - (now_ms - self._started_ms) / 1000
        return left_seconds < handler_limit_seconds + WRITE_SECONDS

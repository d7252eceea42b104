"""A past in memory: lanes of records, and a table that remembers who was redriven."""

from collections.abc import AsyncIterator, Mapping, Sequence

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.operate.replay.source import Record
from dropslot.operate.row import Row


class MemorySource:
    """Lanes of payloads; sequence numbers count from 1 in each.

    Args:
        lanes: by name.
        page: how many records are a page.
    """

    def __init__(self, lanes: Mapping[str, Sequence[bytes]], *, page: int = 1_000) -> None:
        self._lanes = lanes
        self._page = page

    def lanes(self) -> Sequence[str]:
        """See `Source.lanes`."""
        return list(self._lanes)

    async def pages(self, lane: str, *, after: str | None) -> AsyncIterator[Sequence[Record]]:
        """See `Source.pages`."""
        records = [
            Record(sequence_number=str(number), arrived_epoch_ms=number, data=payload)
            for number, payload in enumerate(self._lanes[lane], 1)
        ]
        left = records[int(after) if after is not None else 0 :]
        for start in range(0, len(left), self._page):
            yield left[start : start + self._page]


class TwinRows:
    """Rows of the twin of the table.

    Args:
        table: the twin.
    """

    def __init__(self, table: MemoryRequests) -> None:
        self._table = table

    def get(self, ids: Sequence[str]) -> Mapping[str, Row]:
        """See `Rows.get`."""
        rows = (Row.from_item(self._table.items[key]) for key in ids if key in self._table.items)
        return {row.state.id: row for row in rows if row is not None}


class RestlessClock:
    """A clock on which no time passes but what is slept, at once."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Return epoch milliseconds."""
        return self._now_ms

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ms += round(seconds * 1000)

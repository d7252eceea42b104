"""Shows how far a replay is: bars in a terminal, else a line now and then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from dropslot.operate.moments import format_moment
from dropslot.operate.replay.position import Span
from dropslot.operate.replay.reading import Piece
from dropslot.operate.screen import Screen

#: Without a terminal a line comes after so many records.
_LINE_EVERY: Final = 10_000


class Meter:
    """Counts records and tells where in the stream they are.

    Args:
        screen: gets the lines.
        bars: get what is read of each lane; None without a terminal.
        end_epoch_ms: how far the replay goes; 0 if that isn't known.
    """

    def __init__(self, screen: Screen, bars: Progress | None, *, end_epoch_ms: int) -> None:
        self.records = 0
        self._screen = screen
        self._bars = bars
        self._end_epoch_ms = end_epoch_ms
        self._started = time.monotonic()
        self._first_ms: dict[str, int] = {}
        self._tasks: dict[str, TaskID] = {}

    @property
    def per_second(self) -> float:
        """How many records it has counted in a second."""
        return self.records / max(0.001, time.monotonic() - self._started)

    def move(self, piece: Piece) -> None:
        """Tell of records that are handled."""
        before, last = self.records, piece.records[-1].record
        self.records += len(piece.records)
        at = f"{format_moment(last.arrived_epoch_ms)}, {self.records:,} records"
        if self._bars is None:
            if self.records // _LINE_EVERY > before // _LINE_EVERY:
                self._screen.say(f"{piece.lane}: {at}")
            return
        first_ms = self._first_ms.setdefault(piece.lane, piece.records[0].record.arrived_epoch_ms)
        if piece.lane not in self._tasks:
            self._tasks[piece.lane] = self._bars.add_task(piece.lane, at=at)
        self._bars.update(
            self._tasks[piece.lane],
            total=max(1, self._end_epoch_ms - first_ms) if self._end_epoch_ms else None,
            completed=last.arrived_epoch_ms - first_ms,
            at=at,
        )

    def finish(self, lane: str) -> None:
        """Tell that a lane is read to its end."""
        if self._bars is not None and lane in self._tasks:
            self._bars.remove_task(self._tasks.pop(lane))

    def stop(self) -> None:
        """Make way for a report."""
        if self._bars is not None:
            self._bars.stop()


@contextmanager
def metered(screen: Screen, span: Span) -> Iterator[Meter]:
    """Show a meter while the block runs."""
    console = Console(stderr=True)
    end_epoch_ms = span.end.epoch_ms if span.end.epoch_ms is not None else 0
    if not console.is_terminal:
        yield Meter(screen, None, end_epoch_ms=end_epoch_ms)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"))
    with Progress(*columns, console=console, transient=True) as bars:
        yield Meter(screen, bars, end_epoch_ms=end_epoch_ms)

"""What an operator sees of how far a replay is."""

import io

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from dropslot.operate.replay.classify import Class
from dropslot.operate.replay.progress import Meter
from dropslot.operate.replay.reading import Classified, Piece
from dropslot.operate.replay.source import Record
from dropslot.operate.screen import Screen

AT_MS = 1_760_000_000_000


def piece(lane: str, *seconds: int) -> Piece:
    """Return records that arrived so many seconds after the first."""
    records = (Record(sequence_number="1", arrived_epoch_ms=AT_MS + 1000 * second, data=b"") for second in seconds)
    return Piece(lane=lane, records=[Classified(record=record, kind=Class.FOREIGN) for record in records])


def test_without_a_terminal_a_line_comes_now_and_then() -> None:
    """Given 25,000 records, there are two lines, and each tells where it is."""
    err = io.StringIO()
    meter = Meter(Screen(as_json=True, err=Console(file=err, width=200)), None, end_epoch_ms=0)

    for second in range(250):
        meter.move(piece("shard-1", *([second] * 100)))

    assert meter.records == 25_000
    assert err.getvalue().splitlines() == [
        "shard-1: 2025-10-09 08:54:59Z, 10,000 records",
        "shard-1: 2025-10-09 08:56:39Z, 20,000 records",
    ]


def test_in_a_terminal_a_bar_shows_how_far_a_shard_is() -> None:
    """Given a shard half of whose time is read, so is its bar; once it is read, the bar goes."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), console=console
    ) as bars:
        meter = Meter(Screen(as_json=True), bars, end_epoch_ms=AT_MS + 10_000)

        meter.move(piece("shard-1", 0))
        meter.move(piece("shard-1", 4, 5))
        (task,) = bars.tasks
        assert (task.description, task.percentage) == ("shard-1", 50)
        assert task.fields["at"] == "2025-10-09 08:53:25Z, 3 records"

        meter.finish("shard-1")
        meter.move(piece("shard-2", 9))
        assert [task.description for task in bars.tasks] == ["shard-2"]
        meter.stop()

"""How far a replay is, written down and read again."""

import io
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.operate.redrive import Fate
from dropslot.operate.replay.classify import Class
from dropslot.operate.replay.ledger import Header, Intent, Ledger
from dropslot.operate.replay.ledger_file import FORGOTTEN_AFTER_SECONDS, kept
from dropslot.operate.replay.position import Position, Span

HEADER = Header(
    command={"--from": "1h", "table": "requests"},
    started_at=1_760_000_000_000,
    span=Span(start=Position(epoch_ms=1_759_996_400_000), end=Position(epoch_ms=1_760_000_000_000)),
)
DONE = Intent(attempt=0, kind=Class.DONE)


class StoppedError(Exception):
    """Something ends a replay."""


@contextmanager
def going(path: Path, given: Header = HEADER, *, resume: bool = False) -> Iterator[Ledger]:
    """Keep a ledger until the replay is stopped, at the end of the block."""
    with suppress(StoppedError), kept(path, given, resume=resume) as ledger:
        yield ledger
        raise StoppedError


def header(**command: str) -> Header:
    """Return the header of a replay that is ordered later."""
    return Header(command={**HEADER.command, **command}, started_at=1_760_000_009_000, span=HEADER.span)


def stopped(path: Path) -> None:
    """Leave a file that a stopped replay leaves."""
    with going(path) as ledger:
        ledger.begin({"a": DONE})
        ledger.classes[Class.DONE] += 2
        ledger.fates[Fate.REDRIVEN] += 1
        ledger.end("shard-0", "17", {"a", "b"})
        ledger.finish("shard-0")
        ledger.begin({"c": DONE, "d": DONE})
        ledger.classes[Class.DONE] += 1


def test_a_stopped_replay_is_taken_up(work_dir: Path) -> None:
    """Given a stop while something was done, then what was done is known, and what may have been."""
    path = work_dir / "deeper" / "replay.jsonl"
    stopped(path)

    with kept(path, header()) as ledger:
        assert ledger.resumed
        assert ledger.header == HEADER
        assert ledger.positions == {"shard-0": "17"}
        assert ledger.finished == {"shard-0"}
        assert ledger.done == {"a"}
        assert ledger.open == {"c": DONE, "d": DONE}
        assert ledger.classes == Counter({Class.DONE: 2})
        assert ledger.fates == Counter({Fate.REDRIVEN: 1})
        assert [ledger.has_passed(*place) for place in (("shard-0", "99"), ("shard-1", "1"))] == [True, False]
    assert not path.exists()


def test_what_is_left_open_stays_so(work_dir: Path) -> None:
    """Given pieces that are cut elsewhere after a stop, what one of them doesn't hold isn't taken for done."""
    path = work_dir / "replay.jsonl"
    stopped(path)

    with going(path) as ledger:
        ledger.end("shard-1", "3", {"c", "x"})
        assert (ledger.done, set(ledger.open)) == ({"a", "c"}, {"d"})
    with kept(path, HEADER) as again:
        assert (again.done, set(again.open)) == ({"a", "c"}, {"d"})


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_was_cut_off_is_none(work_dir: Path, cut: int) -> None:
    """Given a file without its last bytes, the lines before count, and further ones can be read."""
    path = work_dir / "replay.jsonl"
    stopped(path)
    path.write_bytes(path.read_bytes()[:-cut])

    with going(path) as ledger:
        assert (ledger.positions, ledger.open) == ({"shard-0": "17"}, {})
        ledger.end("shard-1", "5", set())
    with kept(path, HEADER) as again:
        assert again.positions == {"shard-0": "17", "shard-1": "5"}


def test_another_command_does_not_go_on_with_it(work_dir: Path) -> None:
    """Given a file of other options, it says which differ, unless it is to be forgotten."""
    path = work_dir / "replay.jsonl"
    stopped(path)

    with (
        pytest.raises(
            ConfigurationError, match=r"2025-10-09 08:53:20Z \(.*\) is. This one differs in --force, --from:"
        ),
        kept(path, header(**{"--from": "2h", "--force": "True"})),
    ):
        pass
    with kept(path, header(**{"--from": "2h"}), restart=True) as ledger:
        assert not ledger.resumed
        assert ledger.positions == {}


LONG_AGO = (
    "tells how far the replay of 2025-10-09 08:53:20Z (from 2025-10-09 07:53:20Z to 2025-10-09 08:53:20Z) was when it "
    "was stopped, at 2025-10-09 08:53:20Z. By now the same command would read something else: --resume goes on with "
    "that one, --restart begins anew"
)


def much_later(path: Path, seconds: float, span: Span | None = None) -> Header:
    """Have a replay be stopped right away, and return the header of the same command, so much later."""
    stopped(path)
    os.utime(path, (HEADER.started_at / 1000, HEADER.started_at / 1000))
    later_ms = HEADER.started_at + round(seconds * 1000)
    moved = Span(start=Position(epoch_ms=later_ms - 3_600_000), end=Position(epoch_ms=later_ms))
    return Header(command=HEADER.command, started_at=later_ms, span=span if span is not None else moved)


def test_a_command_that_means_something_else_by_now_does_not_go_on_unasked(work_dir: Path) -> None:
    """Given the same words an hour after a stop, when what they mean has moved on, then it says both ways out."""
    path = work_dir / "replay.jsonl"
    again = much_later(path, FORGOTTEN_AFTER_SECONDS + 1)

    for _ in range(2):  # nor the second time
        with pytest.raises(ConfigurationError) as refused, kept(path, again):
            pass
        assert LONG_AGO in str(refused.value)
    with going(path, again, resume=True) as ledger:
        assert ledger.header == HEADER
        assert ledger.positions == {"shard-0": "17"}
    with kept(path, again, restart=True) as ledger:
        assert (ledger.header, ledger.positions) == (again, {})


@pytest.mark.parametrize(
    ("seconds", "span"), [(FORGOTTEN_AFTER_SECONDS - 1, None), (86_400, HEADER.span)], ids=["soon", "both ends fixed"]
)
def test_a_command_that_means_the_same_goes_on(work_dir: Path, seconds: float, span: Span | None) -> None:
    """Given the same command within the hour, or whose ends stay where they are, it goes on with the one stopped."""
    path = work_dir / "replay.jsonl"
    with kept(path, much_later(path, seconds, span)) as ledger:
        assert ledger.resumed
        assert ledger.header == HEADER


def test_documents_are_named_by_their_place() -> None:
    """Given a replay of documents, it is told by where they lie: no time limits them."""
    header = Header(command={"--failures": "given-up"}, started_at=HEADER.started_at, span=HEADER.span)
    assert header.words == "the replay of 2025-10-09 08:53:20Z (documents of given-up)"


def test_nothing_is_there_to_go_on_with(work_dir: Path) -> None:
    """Given no file, --resume doesn't begin a replay, and leaves none."""
    path = work_dir / "replay.jsonl"
    with pytest.raises(ConfigurationError, match="tells of no replay to go on with"), kept(path, HEADER, resume=True):
        pass
    assert not path.exists()


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("content", ["{}\n", "not JSON\n", "no line", '{"positions": {}}\n'])
def test_a_file_of_something_else_is_left_alone(work_dir: Path, content: str, *, restart: bool) -> None:
    """Given a file that is no ledger, nothing is written into it, nor is it forgotten."""
    path = work_dir / "notes"
    path.write_text(content)

    with pytest.raises(ConfigurationError, match="tells no progress"), kept(path, HEADER, restart=restart):
        pass
    assert path.read_text() == content


def test_one_replay_at_a_time(work_dir: Path) -> None:
    """Given a replay at work, another doesn't begin with the same file."""
    path = work_dir / "replay.jsonl"
    with (
        kept(path, HEADER),
        pytest.raises(ConfigurationError, match="another replay is at work"),
        kept(path, HEADER, restart=True),
    ):
        pass


def test_one_that_did_nothing_leaves_nothing(work_dir: Path) -> None:
    """Given a replay that ends before it has begun (somebody said no), there is no file."""
    path = work_dir / "replay.jsonl"
    with going(path):
        pass
    assert not path.exists()


def test_a_place_that_takes_no_file_is_told(work_dir: Path) -> None:
    """Given a folder that can't be made, it says so."""
    (work_dir / "file").touch()
    with (
        pytest.raises(ConfigurationError, match="no progress can be kept"),
        kept(work_dir / "file" / "replay.jsonl", HEADER),
    ):
        pass


def test_what_is_no_file_keeps_nothing() -> None:
    """Given a device, it says so, and leaves it where it is."""
    with (
        pytest.raises(ConfigurationError, match="/dev/null is no file that keeps progress"),
        kept(Path("/dev/null"), HEADER, restart=True),
    ):
        pass
    assert Path("/dev/null").exists()


def test_what_was_found_is_kept(work_dir: Path) -> None:
    """Given what a first pass found, it is known after a stop; if that came before all was noted, nothing is."""
    path = work_dir / "replay.jsonl"
    found = {f"done-{number}": DONE for number in range(2_500)} | {"gone": Intent(attempt=3, kind=Class.GONE)}
    with going(path) as ledger:
        ledger.mean(found)
        ledger.begin({"done-0": DONE})

    with going(path) as again:
        assert again.meant == found
        assert again.open == {"done-0": DONE}
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    with kept(path, HEADER) as cut:
        assert cut.meant is None


def test_nobody_else_can_read_it(work_dir: Path) -> None:
    """Given the file, it is the operator's alone, and names no request."""
    path = work_dir / "replay.jsonl"
    stopped(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_ledger_of_nothing() -> None:
    """Given an empty file, there is none."""
    assert Ledger.read(io.BytesIO()) is None

"""The tally: what its lines hold, and when they come."""

import logging
from collections.abc import Iterator

import pytest

from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.tally import INTERVAL_SECONDS, Tally


class Setting:
    """A tally over counters, and a clock that stands still."""

    def __init__(self) -> None:
        self.now = 0.0
        self.counters = MemoryCounters()
        self.tally = Tally(
            self.counters.totals, monotonic_seconds=lambda: self.now, about={"shard_id": "shardId-000000000000"}
        )


@pytest.fixture
def setting(caplog: pytest.LogCaptureFixture) -> Iterator[Setting]:
    """A setting whose log is kept."""
    with caplog.at_level(logging.INFO):
        yield Setting()


def said(caplog: pytest.LogCaptureFixture) -> list[dict[str, int]]:
    """Return the counts in the lines so far."""
    lines = [line for line in caplog.records if line.message == "counted"]
    assert all(vars(line)["shard_id"] == "shardId-000000000000" for line in lines)
    return [{name: vars(line)[name] for name in ("done", "failed") if name in vars(line)} for line in lines]


def test_each_line_holds_what_moved_since_the_last(setting: Setting, caplog: pytest.LogCaptureFixture) -> None:
    """So that adding all lines up gives the totals; nothing moved: no line."""
    setting.tally.tell()
    setting.counters.add("done", 3)
    setting.tally.tell()
    setting.tally.tell()
    setting.counters.add("done")
    setting.counters.add("failed", 2)
    setting.tally.tell()
    assert said(caplog) == [{"done": 3}, {"done": 1, "failed": 2}]


def test_a_running_process_tells_once_a_minute(setting: Setting, caplog: pytest.LogCaptureFixture) -> None:
    """However often it is asked."""
    setting.counters.add("done")
    setting.now = INTERVAL_SECONDS - 1
    setting.tally.tell_if_due()
    assert said(caplog) == []
    setting.now = INTERVAL_SECONDS
    setting.tally.tell_if_due()
    setting.counters.add("done")
    setting.tally.tell_if_due()
    assert said(caplog) == [{"done": 1}]

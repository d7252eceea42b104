"""Where a replay starts and ends."""

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.operate.replay.position import Position, Span, parse_span

NOW_MS = 1_760_000_000_000
NUMBER = "49680509589756406379003256828852257529370478958660812802"


@pytest.mark.parametrize(
    ("start", "end", "span"),
    [
        ("trim-horizon", "now", Span(start=Position(), end=Position(epoch_ms=NOW_MS))),
        ("90m", "1h", Span(start=Position(epoch_ms=NOW_MS - 5_400_000), end=Position(epoch_ms=NOW_MS - 3_600_000))),
        ("2025-10-09T08:53:20Z", "now", Span(start=Position(epoch_ms=NOW_MS), end=Position(epoch_ms=NOW_MS))),
        ("20251008", "now", Span(start=Position(epoch_ms=1_759_881_600_000), end=Position(epoch_ms=NOW_MS))),
        (NUMBER, NUMBER, Span(start=Position(sequence_number=NUMBER), end=Position(sequence_number=NUMBER))),
        ("1h", "2025-10-09T10:00Z", Span(start=Position(epoch_ms=NOW_MS - 3_600_000), end=Position(epoch_ms=NOW_MS))),
    ],
    ids=["all", "ago", "a time", "a date", "sequence numbers", "an end in the future is now"],
)
def test_what_is_understood(start: str, end: str, span: Span) -> None:
    """Given words for both ends, they are places."""
    assert parse_span(start, end, now_ms=NOW_MS) == span


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        ("yesterday", "now", "--from 'yesterday' is no place in a stream: write trim-horizon"),
        ("trim-horizon", "latest", "--to 'latest' is no place in a stream: write now"),
        ("now", "now", "--from 'now' is no place"),
        ("2025-10-09T09:00Z", "now", "lies in the future"),
        ("1h", "2h", "is later than --to 2h"),
    ],
)
def test_what_is_not(start: str, end: str, says: str) -> None:
    """Given words that say nothing, or ends with nothing between them, it says so."""
    with pytest.raises(ConfigurationError, match=says):
        parse_span(start, end, now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("place", "is_before"),
    [
        (Position(sequence_number="99"), [False, True]),
        (Position(sequence_number="100"), [False, False]),
        (Position(epoch_ms=4), [False, True]),
        (Position(epoch_ms=5), [False, False]),
    ],
)
def test_an_end_is_included(place: Position, is_before: list[bool]) -> None:
    """Given an end, what comes after it is left out: sequence numbers are compared as numbers."""
    assert [place.is_before("99", 4), place.is_before("100", 5)] == is_before

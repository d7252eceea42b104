"""Moments as operators write and read them."""

import pytest

from dropslot.operate.moments import format_moment, parse_moment

NOW_MS = 1_795_479_600_000  # 2026-11-24 00:20:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", "2026-11-24 00:18:30Z"),
        ("90m", "2026-11-23 22:50:00Z"),
        ("6h", "2026-11-23 18:20:00Z"),
        ("1.5d", "2026-11-22 12:20:00Z"),
        ("2026-11-24T03:00Z", "2026-11-24 03:00:00Z"),
        ("2026-11-24T03:00", "2026-11-24 03:00:00Z"),
        ("2026-11-24 03:00:00Z", "2026-11-24 03:00:00Z"),
        ("2026-11-24T03:00+02:00", "2026-11-24 01:00:00Z"),
        ("2026-11-24", "2026-11-24 00:00:00Z"),
    ],
)
def test_a_moment_is_so_long_ago_or_a_time(text: str, expected: str) -> None:
    """Given either, it is a moment in UTC."""
    assert format_moment(parse_moment(text, now_ms=NOW_MS)) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "5", "-5m", "5 m", "2026-13-01"])
def test_anything_else_is_explained(text: str) -> None:
    """Given something else, the operator reads what to write."""
    with pytest.raises(ValueError, match=r"is no time: write 90m, 6h or 2d"):
        parse_moment(text, now_ms=NOW_MS)


def test_a_number_that_is_no_time_is_shown_as_it_is() -> None:
    """Given a number beyond the calendar, it is a number."""
    assert format_moment(10**18) == str(10**18)

"""Counting by log lines."""

from dropslot.local.mapping.log_counters import LogCounters


def test_counted_lines_are_added_up_and_others_left_alone() -> None:
    """Given lines of functions and handlers, then only the numbers of `counted` events count."""
    counters = LogCounters()
    for line in (
        b'{"event": "counted", "level": "INFO", "records": 3, "done": 2}',
        b'{"event": "counted", "done": 1, "up": true, "share": 0.5}',
        b'{"event": "other", "reason": "counted", "done": 9}',
        b'a handler printed "counted"',
        b'["counted"]',
    ):
        counters.take(line)

    assert counters.totals == {"records": 3, "done": 3}

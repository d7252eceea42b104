"""Totals in memory."""

from dropslot.adapters.counters import MemoryCounters


def test_totals_add_up_and_are_a_copy() -> None:
    """What was read doesn't change any more."""
    counters = MemoryCounters()
    counters.add("runs")
    counters.add("runs", 4)
    before = counters.totals()
    counters.add("runs")
    assert before == {"runs": 5}
    assert counters.totals() == {"runs": 6}

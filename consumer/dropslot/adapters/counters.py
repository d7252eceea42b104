"""Counting events in memory; what publishes them reads the totals."""

from collections import Counter
from collections.abc import Mapping


class MemoryCounters:
    """Totals by name since the process started; counted from one thread, read from any."""

    def __init__(self) -> None:
        self._totals: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        """Count."""
        self._totals[name] += amount

    def totals(self) -> Mapping[str, int]:
        """Return a copy of the totals."""
        return dict(self._totals)

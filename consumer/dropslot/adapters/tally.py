"""Logs what was counted: dashboards and alarms add these lines up."""

from collections.abc import Callable, Mapping
from logging import getLogger
from typing import Final

_log: Final = getLogger(__name__)

#: How often a running process tells.
INTERVAL_SECONDS: Final = 60.0


class Tally:
    """Tells in one log line what was counted since the last one.

    Args:
        totals: the counters' totals by name.
        monotonic_seconds: a steady clock.
        about: what else belongs into the line.
    """

    def __init__(
        self,
        totals: Callable[[], Mapping[str, int]],
        *,
        monotonic_seconds: Callable[[], float],
        about: Mapping[str, str] | None = None,
    ) -> None:
        self._totals = totals
        self._now = monotonic_seconds
        self._about = about if about is not None else {}
        self._told: Mapping[str, int] = {}
        self._told_at = monotonic_seconds()

    def tell(self) -> None:
        """Log what moved; no line when nothing did."""
        self._told_at = self._now()
        totals = self._totals()
        moved = {name: total - self._told.get(name, 0) for name, total in totals.items()}
        self._told = totals
        if news := {name: count for name, count in moved.items() if count}:
            _log.info("counted", extra={**self._about, **news})

    def tell_if_due(self) -> None:
        """Do so once a minute."""
        if self._now() - self._told_at >= INTERVAL_SECONDS:
            self.tell()

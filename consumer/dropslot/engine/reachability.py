"""For how long the table hasn't let anything through."""

from logging import getLogger
from typing import Final

from dropslot.engine.ports import Clock

_log: Final = getLogger(__name__)


#: Pause between two log lines about failing calls.
QUIET_MS: Final = 30_000


class Reachability:
    """Kept by all that calls the table: a single call that gets through proves that it can be reached."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failing_since_ms: int | None = None
        self._said_at_ms = float("-inf")
        self._said = False

    def failed(self, why: str) -> None:
        """Note a call that got nothing through."""
        if self._failing_since_ms is None:
            self._failing_since_ms = self._clock.now_ms()
        # A throttled table fails and answers many times a second: that is worth a line now and then.
        if not self._said and self._clock.now_ms() - self._said_at_ms >= QUIET_MS:
            self._said, self._said_at_ms = True, self._clock.now_ms()
            _log.warning("table_unreachable", extra={"why": why})

    def reached(self) -> None:
        """Note a call that got through."""
        if self._said:
            self._said = False
            _log.info("table_reachable", extra={"after_seconds": self.failing_seconds()})
        self._failing_since_ms = None

    def failing_seconds(self) -> float:
        """Return for how long every call has failed, 0 while all is well."""
        return 0.0 if self._failing_since_ms is None else (self._clock.now_ms() - self._failing_since_ms) / 1000

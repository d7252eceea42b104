"""What of a stream is skipped because it is no change record of ours, told once for each reason."""

from logging import getLogger
from typing import Final

from dropslot.core.change import Unusable

_log: Final = getLogger(__name__)

#: How many different reasons are logged; they name fields of foreign data.
MAX_REASONS: Final = 100


class SkippedRecords:
    """Logs the first record of each kind and reason; the counters tell how many there are."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def note(self, record: Unusable, sequence_number: str) -> None:
        """Log a skipped record, unless its like was logged before."""
        if (record.kind, record.why) in self._told or len(self._told) >= MAX_REASONS:
            return
        self._told.add((record.kind, record.why))
        about = {"kind": record.kind, "why": record.why, "sequence_number": sequence_number}
        _log.warning("record_skipped", extra=about)

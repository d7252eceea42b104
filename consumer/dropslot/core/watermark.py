"""The checkpoint: the highest sequence number up to which every record is resolved."""

from collections import deque


class Entry:
    """A record on its way; resolved once, by whatever settled, superseded or ignored it."""

    __slots__ = ("resolved", "sequence_number")

    def __init__(self, sequence_number: str) -> None:
        self.sequence_number = sequence_number
        self.resolved = False


class Watermark:
    """Follows the records of one shard in the order they were delivered."""

    def __init__(self) -> None:
        self._open: deque[Entry] = deque()
        self._position: str | None = None
        #: How many records have been resolved.
        self.resolved = 0

    def open(self, sequence_number: str) -> Entry:
        """Add the next delivered record."""
        entry = Entry(sequence_number)
        self._open.append(entry)
        return entry

    def resolve(self, entry: Entry) -> None:
        """Mark a record resolved, and move over every resolved record at the low end."""
        entry.resolved = True
        self.resolved += 1
        while self._open and self._open[0].resolved:
            self._position = self._open.popleft().sequence_number

    @property
    def position(self) -> str | None:
        """Sequence number up to which (inclusive) all is resolved; None before the first."""
        return self._position

    @property
    def unresolved(self) -> int:
        """How many delivered records lie above the position, resolved ones behind an unresolved one included."""
        return len(self._open)

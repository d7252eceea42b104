"""What the KCL runtime asks of an engine."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from dropslot.engine.stream_record import StreamRecord


class Engine(Protocol):
    """Runs the requests of one shard; all calls come from one thread."""

    def submit(self, records: Sequence[StreamRecord], *, tick: Callable[[], None]) -> None:
        """Take records in order. Blocks while the window is full and then calls `tick` at least once a second.

        Raising means that not all records were taken: the process must end without acknowledging them.
        """

    @property
    def checkpoint(self) -> str | None:
        """Sequence number up to which (inclusive) every record is resolved; None when there is none yet."""

    @property
    def complete(self) -> bool:
        """True if every record that was handed in is resolved."""

    def drain(self, timeout_seconds: float, *, tick: Callable[[], None]) -> bool:
        """Wait for work in flight; True once nothing is under way any more, though records may be left out."""

    def stand_down(self) -> None:
        """Called when the process is about to end in order although records are unresolved: none is to blame for it."""

    @property
    def stalled(self) -> bool:
        """True if nothing moves any more although something should: the process must be replaced from outside."""

    def abandon(self) -> None:
        """Start nothing more: another worker has the shard, or will have; a `submit` under way is cut short."""

    @property
    def must_recycle(self) -> bool:
        """True when this process should be replaced at the next safe point."""

    @property
    def unreachable(self) -> bool:
        """True when the table couldn't be reached for too long."""

    def close(self) -> None:
        """Let go of threads and connections."""

    @property
    def counters(self) -> Mapping[str, int]:
        """Counts since the start, by name."""

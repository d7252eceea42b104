"""Where the records of a replay come from: lanes, each of them in order."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec


class Record(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A record of the stream, wherever it was kept.

    Args:
        sequence_number: its place in its shard.
        arrived_epoch_ms: when the stream got it.
        data: its payload.
    """

    sequence_number: str
    arrived_epoch_ms: int
    data: bytes


class Source(Protocol):
    """Records that can be read as often as one likes."""

    def lanes(self) -> Sequence[str]:
        """Return the names of what is read one after the other, so that a request's older records come first.

        Raises:
            ConfigurationError: what was asked for isn't there.
            OutOfReachError: it can't be asked for.
        """
        ...

    def pages(self, lane: str, *, after: str | None) -> AsyncIterator[Sequence[Record]]:
        """Read a lane, in order.

        Args:
            lane: one of `lanes`.
            after: a sequence number: go on behind this record. None: from where the replay starts.

        Raises:
            ConfigurationError: there is no such place.
            OutOfReachError: it can't be read, or not any more.
        """
        ...

"""Records on their way out: in order, except where a fault says otherwise; knows how far everything is out."""

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, replace
from typing import Final, Self

from dropslot.local.relay.faults import Fate

#: A record that waits for its successor to overtake it waits no longer than this.
SWAP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A record that is to be put.

    Args:
        shard_id: shard of the table's change stream it came from.
        sequence_number: its position there.
        partition_key: where it goes.
        data: the change record.
        is_copy: it is a second copy: nothing is lost if it is never put.
    """

    shard_id: str
    sequence_number: str
    partition_key: str
    data: bytes
    is_copy: bool = False

    def copy(self) -> Self:
        """Return a second copy."""
        return replace(self, is_copy=True)


class Outbox:
    """Holds records until they are due, and tracks per shard the position below which all are resolved."""

    def __init__(self) -> None:
        self._order = itertools.count()
        self._held: list[tuple[float, int, Outgoing]] = []
        self._swapped: tuple[float, Outgoing] | None = None
        self._read: dict[str, deque[str]] = {}
        self._resolved: dict[str, set[str]] = {}
        self._positions: dict[str, str] = {}

    def note_read(self, shard_id: str, sequence_number: str) -> None:
        """Remember that a record was read: positions stay below it until it is resolved. In the order of reading."""
        self._read.setdefault(shard_id, deque()).append(sequence_number)

    def add(self, record: Outgoing, fate: Fate, now: float) -> None:
        """Take a record that is to be put (one that is skipped is resolved instead).

        Args:
            record: must have been noted as read.
            fate: when it is due.
            now: seconds of any steady clock.
        """
        if fate.swap and self._swapped is None:
            self._swapped = (now + SWAP_SECONDS, record)
            return
        due = now + fate.hold_seconds
        self._push(due, record)
        if self._swapped is not None:
            overtaken = self._swapped[1]
            self._swapped = None
            self._push(due, overtaken)

    def add_copy(self, record: Outgoing, due: float) -> None:
        """Take a second copy of a record."""
        self._push(due, record)

    def take_due(self, now: float) -> list[Outgoing]:
        """Remove and return what is to be put now, in order."""
        if self._swapped is not None and self._swapped[0] <= now:
            self._push(now, self._swapped[1])
            self._swapped = None
        due = []
        while self._held and self._held[0][0] <= now:
            due.append(heapq.heappop(self._held)[2])
        return due

    def resolve(self, shard_id: str, sequence_number: str) -> None:
        """Note that a record is out, or is not to be put at all."""
        read, resolved = self._read[shard_id], self._resolved.setdefault(shard_id, set())
        resolved.add(sequence_number)
        while read and read[0] in resolved:
            self._positions[shard_id] = read.popleft()
            resolved.discard(self._positions[shard_id])

    def positions(self) -> dict[str, str]:
        """Return per shard the last sequence number up to which everything read so far is resolved."""
        return dict(self._positions)

    def is_empty(self) -> bool:
        """Tell whether nothing is held."""
        return not self._held and self._swapped is None

    def _push(self, due: float, record: Outgoing) -> None:
        heapq.heappush(self._held, (due, next(self._order), record))

"""The table of journals, as the engine works with it; the real adapter and its twin are under one contract suite."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from dropslot.core.journal import Entry, JournalWrite


class Answer(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What became of a write.

    Args:
        applied: the condition held.
        entry: the item after it, or the one that stood in its way; None if there is none, or if it wasn't told: only a
            claim that was applied and a write that wasn't tell.
    """

    applied: bool
    entry: Entry | None = None


class Journal(Protocol):
    """The table of journals. Writes of one item take effect in the order in which they are answered."""

    async def write(self, write: JournalWrite) -> Answer:
        """Make one conditional write.

        Raises:
            TransientError: nothing is known; the write can be repeated. It may have been applied.
            JournalFullError: the item has no room for it; nothing was written.
        """
        ...

    async def newest(self, request_id: str, accepted_at: int) -> Entry | None:
        """Return the journal of the last run of a request, strongly consistent; None if there is none.

        Raises:
            TransientError: nothing is known; the call can be repeated.
        """
        ...


class Journals(Protocol):
    """All journals of a request, for operators."""

    async def runs(self, request_id: str, accepted_at: int) -> Sequence[Entry]:
        """Return the journals of all runs of a request, the first one first.

        Raises:
            TransientError: nothing is known; the call can be repeated.
        """
        ...

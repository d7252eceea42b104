"""Failed requests with steps that couldn't be undone, for `retry --undo`: their journals tell which these are."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from typing import Final, Protocol

from dropslot.core.item import State
from dropslot.core.journal import STUCK, Entry
from dropslot.core.leftovers import tells_of_leftovers
from dropslot.core.transitions import Write, retry
from dropslot.operate.journals import JournalTable
from dropslot.operate.redrive import Redrive
from dropslot.operate.retrying import NOTHING_TO_UNDO, Failed
from dropslot.operate.row import Row
from dropslot.operate.target import Target

#: Journals that are asked for at once.
_AT_ONCE: Final = 25


class Newest(Protocol):
    """The journals of requests' last runs, strongly consistent; see `JournalTable.newest`."""

    def newest(self, states: list[State]) -> Mapping[str, Entry]:
        """Return them by item id."""
        ...


class NotUndone:
    """Those among failed requests that have steps to undo. All others are left alone, and counted.

    An error that tells of such steps may only quote another's words; what the journal says is what is done.

    Args:
        failed: those that an operator means.
        journals: where their journals are.
    """

    only_undoes = True

    def __init__(self, failed: Failed, journals: Newest) -> None:
        self._failed = failed
        self._journals = journals
        self._nothing_to_undo = 0
        #: The attempts at which stuck runs began, by item id.
        self._began: dict[str, int] = {}

    @property
    def left_alone(self) -> Mapping[str, int]:
        """See `Failed.left_alone`."""
        return {**self._failed.left_alone, NOTHING_TO_UNDO: self._nothing_to_undo}

    def rows(self) -> Iterator[Row]:
        """See `Failed.rows`."""
        self._nothing_to_undo = 0
        rows = self._failed.rows()
        while batch := list(islice(rows, _AT_ONCE)):
            told = [row.state for row in batch if tells_of_leftovers(row.error)]
            journals = self._journals.newest(told) if told else {}
            for row in batch:
                journal = journals.get(row.state.id)
                if journal is None or journal.closed != STUCK:
                    self._nothing_to_undo += 1
                    continue
                self._began[row.state.id] = journal.began
                yield row

    def redrive(self, row: Row) -> Redrive:
        """See `Failed.redrive`."""
        began = self._began[row.state.id]

        def change(now_ms: int) -> Write:
            return retry(row.state, error=row.error, now_ms=now_ms, undo_only=began)

        return Redrive(state=row.state, change=change)


@contextmanager
def not_undone(target: Target, failed: Failed) -> Iterator[NotUndone]:
    """Look at the journals of a pipeline for those among failed requests that have steps to undo.

    Args:
        target: the pipeline.
        failed: those that an operator means.
    """
    with closing(JournalTable(target)) as journals:
        yield NotUndone(failed, journals)

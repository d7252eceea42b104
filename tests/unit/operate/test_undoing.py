"""Which failed requests have steps to undo, and what is written for them: by journals that a test makes up."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dropslot.core.item import State
from dropslot.core.journal import FAILED, STUCK, UNDONE, Entry, Key
from dropslot.core.leftovers import with_leftovers
from dropslot.core.transitions import Equals, Write
from dropslot.operate.redrive import Redrive
from dropslot.operate.retrying import as_retried
from dropslot.operate.row import Row
from dropslot.operate.undoing import NotUndone
from tests.unit.core.images import ACCEPTED_AT_MS, image

TELLS = with_leftovers("no such street", ["charge (too late)"])
NOW_MS = ACCEPTED_AT_MS + 60_000


def row(request_id: str, error: str = TELLS, **attributes: Any) -> Row:
    """Return a failed request."""
    found = Row.from_item(image(request_id, status="failed-a", error=error, attempt=3, **attributes))
    assert found is not None
    return found


def entry(request_id: str, closed: str, **fields: Any) -> Entry:
    """Return the journal of its last run."""
    key = Key(id=request_id, accepted_at=ACCEPTED_AT_MS, run=0)
    return Entry(**{"key": key, "attempt": 3, "began": 0, "undoing": True, "closed": closed, **fields})


class Meant:
    """Failed requests that an operator means, two of those that were named being no such."""

    only_undoes = False
    left_alone: Mapping[str, int] = {"not_failed": 2}

    def __init__(self, *rows: Row) -> None:
        self._rows = rows

    def rows(self) -> Iterator[Row]:
        """Return them."""
        return iter(self._rows)

    def redrive(self, row: Row) -> Redrive:
        """Return what nobody is to ask for."""
        return as_retried(row)


class Journals:
    """Journals by item id, and which were asked for."""

    def __init__(self, *entries: Entry) -> None:
        self.entries = {one.key.id: one for one in entries}
        self.asked: list[list[str]] = []

    def newest(self, states: Sequence[State]) -> Mapping[str, Entry]:
        """Return those that are there."""
        self.asked.append([state.id for state in states])
        return {state.id: self.entries[state.id] for state in states if state.id in self.entries}


def test_the_journal_decides_what_is_undone() -> None:
    """Given requests in each standing, only those with something left are taken; all others are counted."""
    rows = [row(name) for name in ("stuck", "undone", "failed", "open", "without")]
    ends = {"stuck": STUCK, "undone": UNDONE, "failed": FAILED, "open": ""}
    meant = NotUndone(Meant(*rows), Journals(*(entry(name, closed) for name, closed in ends.items())))

    assert [one.state.id for one in meant.rows()] == ["stuck"]
    assert meant.left_alone == {"not_failed": 2, "nothing_to_undo": 4}
    # They are read anew each time, and counted anew.
    assert [one.state.id for one in meant.rows()] == ["stuck"]
    assert meant.left_alone == {"not_failed": 2, "nothing_to_undo": 4}


def test_no_journal_is_asked_for_whose_request_tells_of_nothing() -> None:
    """Given an error without a list, that request is left alone without a look, whatever its journal says."""
    journals = Journals(entry("a", STUCK), entry("b", STUCK))
    meant = NotUndone(Meant(row("a", "KeyError: 'dish'"), row("b")), journals)

    assert [one.state.id for one in meant.rows()] == ["b"]
    assert journals.asked == [["b"]]
    assert meant.left_alone["nothing_to_undo"] == 1


def test_journals_are_asked_for_as_they_are_needed() -> None:
    """Given many requests, who takes the first of them waits for a few journals, not for all."""
    journals = Journals(*(entry(f"r{index}", STUCK) for index in range(60)))
    meant = NotUndone(Meant(*(row(f"r{index}") for index in range(60))), journals)
    rows = meant.rows()

    assert next(rows).state.id == "r0"
    assert sum(map(len, journals.asked)) == 25
    assert len(list(rows)) == 59
    assert sum(map(len, journals.asked)) == 60


def test_what_is_written_undoes_that_run_and_starts_none() -> None:
    """Given a stuck run that began at the second attempt, the write wants no run after it, and is fenced as ever."""
    meant = NotUndone(Meant(row("a")), Journals(entry("a", STUCK, began=2)))
    (stuck,) = meant.rows()

    write = meant.redrive(stuck).change(NOW_MS)

    assert isinstance(write, Write)
    assert (write.sets["attempt"], write.sets["rerun"], write.sets["last_error"]) == (4, 2, TELLS)
    assert Equals("attempt", 3) in write.conditions
    assert Equals("error", TELLS) in write.conditions

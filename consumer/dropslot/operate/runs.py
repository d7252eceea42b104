"""The runs of a request as `requests show` tells them: each step, when it was finished, whether it is undone."""

from collections.abc import Sequence
from typing import Any, Final

from dropslot.core import journal
from dropslot.core.journal import Entry, Step
from dropslot.operate.moments import format_moment
from dropslot.operate.row import Row
from dropslot.operate.screen import Screen, pluralised

FORWARD: Final = "forward"
UNDO: Final = "undo"
_COLUMNS: Final = ("STEP", "FINISHED", "UNDONE")

#: How a run stands, by how it was closed.
_STANDINGS: Final = {
    journal.DONE: "done",
    journal.FAILED: "failed, nothing is undone: a retry goes on behind what is finished",
    journal.UNDONE: "undone: nothing is left of it",
    journal.STUCK: "stuck: not all of it could be undone",
}


def as_json(entry: Entry, *, results: bool) -> dict[str, Any]:
    """Return a run; times in epoch milliseconds.

    Args:
        entry: its journal.
        results: also what its steps and its handler returned.
    """
    shown: dict[str, Any] = {
        "run": entry.key.run,
        "direction": UNDO if entry.undoing else FORWARD,
        "closed": entry.closed or None,
        "error": entry.error or None,
        "began": entry.began,
        "attempt": entry.attempt,
        "undo_tries": entry.undo_tries,
        "held_until": entry.lease_until or None,
        "steps": [_step_as_json(step) | ({"result": step.result} if results else {}) for step in entry.steps],
    }
    return shown | ({"result": entry.result} if results else {})


def show(screen: Screen, row: Row, entries: Sequence[Entry], *, results: bool) -> None:
    """Print the runs of a request, the first one first.

    Args:
        screen: where to.
        row: the request.
        entries: their journals.
        results: also what steps returned.
    """
    for entry in entries:
        screen.text("")
        screen.pairs(_pairs(row, entry))
        if entry.steps:
            screen.table(_COLUMNS, [_cells(entry, step) for step in entry.steps])
        if results:
            for step in entry.steps:
                screen.text(f"\n--- result of {step.name} ---\n{step.result}")


def _step_as_json(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "at": step.at,
        "undone_at": step.undone_at or None,
        "undo_error": step.undo_error or None,
    }


def _pairs(row: Row, entry: Entry) -> list[tuple[str, str]]:
    attempts = (
        f"attempt {entry.began}" if entry.began == entry.attempt else f"attempts {entry.began} to {entry.attempt}"
    )
    pairs = [(f"run {entry.key.run}", f"{_standing(entry)} ({attempts})")]
    if entry.error and entry.error != row.error:
        pairs.append(("because", entry.error))
    if entry.undo_tries:
        pairs.append(("undo failed", pluralised(entry.undo_tries, "time")))
    if entry.owner:
        pairs.append(("held until", f"{format_moment(entry.lease_until)}, unless it is renewed"))
    return pairs


def _standing(entry: Entry) -> str:
    if entry.closed:
        return _STANDINGS.get(entry.closed, entry.closed)
    return "is being undone" if entry.undoing else "goes forward"


def _cells(entry: Entry, step: Step) -> tuple[str, ...]:
    return step.name, format_moment(step.at), _undone(entry, step)


def _undone(entry: Entry, step: Step) -> str:
    if step.undone_at:
        return format_moment(step.undone_at)
    if step.undo_error:
        return f"no: {step.undo_error}"
    if entry.closed == journal.UNDONE:
        return "has no undo"
    if entry.closed == journal.STUCK:  # without an undo, or the handler didn't come to it: only the error tells which
        return "no, see error"
    return "not yet" if entry.undoing else ""

"""How a change record's request stands: every record is in exactly one class."""

from enum import Enum

from dropslot.core import names
from dropslot.core.change import Change, Removed, Unusable
from dropslot.core.decision import Decision, decide
from dropslot.core.item import State
from dropslot.operate.row import Row


class Class(Enum):
    """The classes; a value is a class's name in JSON."""

    #: Pending or waiting, and overdue by what the sweep allows.
    WOULD_RUN = "would_run"
    #: Pending, and not overdue: a change record of it is on its way.
    UNDER_WAY = "under_way"
    #: Waiting for its time.
    WAITING = "waiting"
    FAILED = "failed"
    DONE = "done"
    #: There is no item with its id.
    GONE = "gone"
    #: The replay has seen an earlier record of it, or its id belongs to another request now.
    SUPERSEDED = "superseded"
    #: Written by Dropslot itself, or a deletion: no consumer runs anything for it.
    OURS = "ours"
    #: No change of a request.
    FOREIGN = "foreign"
    #: Not what the filters ask for.
    LEFT_OUT = "left_out"

    @property
    def words(self) -> str:
        """The class for readers."""
        return self.value.replace("_", " ")


def class_of_record(change: Change | Removed | Unusable) -> Class | None:
    """Return the class of a record that the table needn't be asked for; else None."""
    if isinstance(change, Unusable):
        return Class.FOREIGN
    return None if decide(change) is Decision.RUN else Class.OURS


def class_of_request(change: State, present: Row | None, *, now_ms: int, grace_ms: int) -> Class:
    """Return the class of a record that asks for a run, by the item that is there.

    Args:
        change: the state in the record.
        present: the item by a consistent read, None when it isn't there.
        now_ms: epoch milliseconds.
        grace_ms: how long past its `due_at` the sweep leaves a pending request alone.
    """
    if present is None:
        return Class.GONE
    if present.state.accepted_at != change.accepted_at:
        return Class.SUPERSEDED
    status = present.state.status
    if status == names.DONE:
        return Class.DONE
    if status == names.FAILED:
        return Class.FAILED
    overdue_ms = now_ms - present.due_at
    if status == names.WAITING:
        return Class.WOULD_RUN if overdue_ms >= 0 else Class.WAITING
    return Class.WOULD_RUN if overdue_ms >= grace_ms else Class.UNDER_WAY

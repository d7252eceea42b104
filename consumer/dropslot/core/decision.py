"""What to do with a change record, decided from the record, then from the item as it stands."""

from enum import Enum

from dropslot.core import names
from dropslot.core.change import Change, Removed
from dropslot.core.item import State


class Decision(Enum):
    """Every way a well-formed record can go; the value is the name of its counter."""

    RUN = "run"
    REMOVED = "removed"
    NOT_PENDING = "not_pending"
    OUR_WRITE = "our_write"
    GONE = "gone"
    SETTLED = "settled"
    WAITING = "waiting"
    DUPLICATE = "duplicate"


def decide(change: Change | Removed) -> Decision:
    """Decide from the record alone; this is what ends the loop over our own write-backs.

    A MODIFY runs only if its attempt grew: a redrive. Without an old image that can't be told, so it runs, and the
    read before the run and the outcome's condition decide.
    """
    if isinstance(change, Removed):
        return Decision.REMOVED
    if change.state.status != names.PENDING or change.state.settled:
        return Decision.NOT_PENDING
    if change.event == "MODIFY" and change.previous_attempt is not None:
        return Decision.RUN if change.state.attempt > change.previous_attempt else Decision.OUR_WRITE
    return Decision.RUN


def decide_present(change: State, present: State | None) -> Decision:
    """Decide again with the item as a consistent read shows it; the run then takes the attempt that was read.

    Args:
        change: the state in the record.
        present: the item now, None when it isn't there.
    """
    if present is None or present.accepted_at != change.accepted_at:
        return Decision.GONE
    if present.settled or present.status in (names.DONE, names.FAILED):
        return Decision.SETTLED
    return Decision.RUN if present.status == names.PENDING else Decision.WAITING


def needs_read(
    *,
    attempt: int,
    created_epoch_ms: float,
    arrived_epoch_ms: float,
    now_epoch_ms: float,
    up_since_epoch_ms: float,
    fresh_ms: float,
) -> bool:
    """Tell whether a record must be checked against the item before its request runs.

    Only a record that is young, that reached the shard after this process took it, and that no redrive made, can't
    have been run by anyone before. A redrive may have been made while the request ran, and settled since.
    """
    return attempt > 0 or arrived_epoch_ms < up_since_epoch_ms or now_epoch_ms - created_epoch_ms > fresh_ms

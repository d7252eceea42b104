"""The journal of a request's steps: what an item of it says, and every conditional write that moves it.

One item for each run of a request. A worker claims it before it does anything, and each write after that holds only as
long as the claim does, so a worker that was overtaken moves nothing any more. `closed` is the point of no return: it is
written before the request's outcome, and whoever finds it writes that same outcome.
"""

from enum import Enum
from typing import Final

import msgspec

from dropslot.core import names
from dropslot.core.item import State

# Attributes, beside `names.ID` (partition key), `names.RUN` (sort key), `names.ATTEMPT`, `names.ERROR`,
# `names.RESULT` and `names.TTL`.
BEGAN: Final = "began"
OWNER: Final = "owner"
LEASE_UNTIL: Final = "lease_until"
STEPS: Final = "steps"
UNDOING: Final = "undoing"
UNDO_TRIES: Final = "undo_tries"
CLOSED: Final = "closed"
CLOSED_BY: Final = "closed_by"

# How a run was closed.
DONE: Final = "done"
#: Failed with nothing to undo, or because of the handler itself: an operator's retry goes on behind what is finished.
FAILED: Final = "failed"
#: Failed, and nothing of it is left.
UNDONE: Final = "undone"
#: Failed, and something of it couldn't be undone.
STUCK: Final = "stuck"

#: Cap on why a step couldn't be undone.
UNDO_ERROR_MAX_BYTES: Final = 256
#: A run's journal is kept for so long after its request may be gone: replay may still bring that back.
OUTLIVES_SECONDS: Final = 7 * 86_400


class Key(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Which journal.

    Args:
        id: key of the request's item.
        accepted_at: its generation, epoch milliseconds.
        run: 0 for the first.
    """

    id: str
    accepted_at: int
    run: int

    @property
    def sort(self) -> str:
        """The item's sort key."""
        return names.run_key(self.accepted_at, self.run)

    def step_key(self, name: str, *, undo: bool = False) -> str:
        """Return what downstream can tell this very step of this very run by."""
        run = names.journal_id(self.id, self.accepted_at, self.run)
        return names.ID_SEPARATOR.join((run, name, *(("undo",) if undo else ())))


class Step(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A finished step.

    Args:
        name: as the handler calls it.
        result: what it returned, as JSON.
        at: when it was finished, epoch milliseconds.
        undone_at: when it was undone; 0: it isn't.
        undo_error: why it couldn't be; "" without a reason.
    """

    name: str
    result: str
    at: int
    undone_at: int = 0
    undo_error: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An item of the journal.

    Args:
        key: its key.
        attempt: of whoever claimed it last; nobody of an earlier one can.
        began: the attempt at which this run began, or at which it went on because an operator had asked for that.
        owner: who holds it; "" when nobody does.
        lease_until: epoch milliseconds until which nobody else can take it.
        steps: finished ones, in order.
        undoing: its direction: it is being undone, for good.
        error: why.
        undo_tries: failures counted against the retry schedule while it was being undone.
        closed: how it ended; "" before.
        closed_by: the owner who closed it.
        result: what the handler returned, as JSON, of one that is done; None for nothing.
    """

    key: Key
    attempt: int
    began: int
    owner: str = ""
    lease_until: int = 0
    steps: tuple[Step, ...] = ()
    undoing: bool = False
    error: str = ""
    undo_tries: int = 0
    closed: str = ""
    closed_by: str = ""
    result: str | None = None


class Claim(Enum):
    """What a worker that wants to go on with a request may do with a run's journal."""

    TAKE = "take"
    #: This run is over and void: the next one is to be looked at.
    NEXT_RUN = "next run"
    #: It has ended; its outcome has to be written, no more.
    CLOSED = "closed"
    #: Another worker is at it, until its lease ends.
    HELD = "held"
    #: A later attempt has it.
    OVERTAKEN = "overtaken"


def decide_claim(entry: Entry, state: State, *, now_ms: int) -> Claim:
    """Decide what a worker may do.

    Args:
        entry: the journal as it stands.
        state: the request as the worker runs it.
        now_ms: epoch milliseconds, by the worker's clock.
    """
    if state.floor > entry.began:
        return Claim.NEXT_RUN
    if entry.attempt > state.attempt:
        return Claim.OVERTAKEN
    if entry.closed == UNDONE and state.rerun > entry.began:
        return Claim.NEXT_RUN
    # An operator has asked for more: to go on forward, or with what couldn't be undone.
    goes_on = (entry.closed == FAILED and state.rerun > entry.attempt) or (
        entry.closed == STUCK and state.attempt > entry.attempt
    )
    if entry.closed and not goes_on:
        return Claim.CLOSED
    return Claim.HELD if entry.owner and entry.lease_until > now_ms else Claim.TAKE


#: From the item down to what is set: ``("steps", 2, "undone_at")``.
Path = tuple[str | int, ...]
Value = str | int | Step


class Unclaimed(msgspec.Struct, frozen=True, gc=False):
    """There is no such item."""


class AsSeen(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The item hasn't been claimed, renewed or closed since it was seen."""

    attempt: int
    owner: str
    lease_until: int
    closed: str


class Owned(msgspec.Struct, frozen=True, gc=False):
    """This owner holds it."""

    owner: str


Condition = Unclaimed | AsSeen | Owned


class JournalWrite(msgspec.Struct, frozen=True, kw_only=True):
    """One conditional write of one item.

    Args:
        kind: its name in logs and counters.
        key: which item.
        condition: must hold.
        sets: values by path; a `Step` at the end of the list extends it.
        removes: attributes to remove.
    """

    kind: str
    key: Key
    condition: Condition
    sets: dict[Path, Value]
    removes: tuple[str, ...] = ()


class Lease(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Who holds a journal, and until when.

    Args:
        owner: a word that nobody else uses.
        until_ms: epoch milliseconds.
    """

    owner: str
    until_ms: int

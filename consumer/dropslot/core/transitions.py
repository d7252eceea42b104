"""Every transition of a request, as a conditional write: for consumer, sweep, retry and replay alike.

Each but `restore` holds `attribute_exists(request)` and the same `accepted_at`, so none makes an item and none reaches
the next request of the same id; each sets `status`, `queue` and `due_at` explicitly.
"""

from typing import Final

import msgspec

from dropslot.core import names
from dropslot.core.item import Accepted, State, Unfinished
from dropslot.core.names import stored_status
from dropslot.core.policy import Done, Failed, Outcome, Waiting
from dropslot.core.text import cut

#: A string is stored as S, an int as N.
Value = str | int


class Equals(msgspec.Struct, frozen=True, gc=False):
    """The attribute is there and has this value."""

    name: str
    value: Value


class Present(msgspec.Struct, frozen=True, gc=False):
    """The attribute is there."""

    name: str


class Absent(msgspec.Struct, frozen=True, gc=False):
    """The attribute is not there."""

    name: str


class AbsentOrAtMost(msgspec.Struct, frozen=True, gc=False):
    """The attribute is not there, or is a number not above this one."""

    name: str
    value: int


Condition = Equals | Present | Absent | AbsentOrAtMost


class Write(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One conditional update of one item; it never creates one.

    Args:
        transition: its name in logs and counters.
        id: key of the item.
        conditions: all must hold.
        sets: attributes to set.
        removes: attributes to remove.
    """

    transition: str
    id: str
    conditions: tuple[Condition, ...]
    sets: dict[str, Value]
    removes: tuple[str, ...] = ()


class Insert(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One item that is made if there is none with its key; it never changes one.

    Args:
        transition: its name in logs and counters.
        id: key of the item.
        attributes: the others; a map holds strings.
    """

    transition: str
    id: str
    attributes: dict[str, Value | dict[str, str]]


_UNSETTLED: Final = (Absent(names.TTL), Absent(names.ERROR))


def settle(state: State, outcome: Outcome, *, now_ms: int, ttl_seconds: int) -> Write:
    """Return the write for an outcome.

    Args:
        state: the request as it was run; its `attempt` fences failed and waiting.
        outcome: what the run came to.
        now_ms: epoch milliseconds, kept as `due_at` of a settled request: when it was settled.
        ttl_seconds: how long a done request is kept.
    """
    if isinstance(outcome, Done):
        return done(state, outcome, now_ms=now_ms, ttl_seconds=ttl_seconds)
    if isinstance(outcome, Failed):
        return failed(state, outcome, now_ms=now_ms)
    return waiting(state, outcome, now_ms=now_ms)


def done(state: State, outcome: Done, *, now_ms: int, ttl_seconds: int) -> Write:
    """Pending -> done, at any attempt not below `floor`.

    Not at the same attempt only: under a backlog the sweep may have redriven a request whose first record is just
    being run, and refusing its success would redo the work, for ever.
    """
    sets: dict[str, Value] = {
        names.STATUS: stored_status(names.DONE, state.digit),
        names.DUE_AT: now_ms,
        names.TTL: now_ms // 1000 + ttl_seconds,
    }
    if outcome.result is not None:
        sets[names.RESULT] = outcome.result
    return Write(
        transition=names.DONE,
        id=state.id,
        conditions=(*_generation(state), *_UNSETTLED, AbsentOrAtMost(names.FLOOR, state.attempt)),
        sets=sets,
        removes=(names.QUEUE,),
    )


def failed(state: State, outcome: Failed, *, now_ms: int) -> Write:
    """Pending -> failed, for this attempt."""
    return Write(
        transition=names.FAILED,
        id=state.id,
        conditions=_this_attempt(state),
        sets={
            **_unfinished(names.FAILED, state.digit, now_ms),
            names.ERROR: cut(outcome.error, names.ERROR_MAX_BYTES),
        },
    )


def waiting(state: State, outcome: Waiting, *, now_ms: int) -> Write:
    """Pending -> waiting, for this attempt; the sweep brings it back when it is due."""
    # A suspect that wasn't run stays one, without the start.
    starts: dict[str, Value] = {names.STARTS: state.starts} if state.suspected and not outcome.ended else {}
    return Write(
        transition=names.WAITING,
        id=state.id,
        conditions=_this_attempt(state),
        sets={
            **starts,
            **_unfinished(names.WAITING, state.digit, now_ms + outcome.after_ms),
            names.TRIES: state.tries + 1 if outcome.counts else state.tries,
            names.LAST_ERROR: cut(outcome.last_error, names.ERROR_MAX_BYTES),
        },
        # Also counts that this run never saw.
        removes=(names.STARTS,) if outcome.ended else (),
    )


def suspect(state: State, *, now_ms: int) -> Write:
    """Count a start of a pending request that may have killed the worker before: it stays pending.

    Not done for a request that nobody can have started yet: it costs a write. A repeat, after an answer was lost,
    counts the same start: that is why the present count is no condition.
    """
    return _count_starts("suspect", state, state.starts + 1, now_ms)


def clear(state: State, *, now_ms: int) -> Write:
    """Take a counted start back: the worker stops in order while the request is still running.

    Only if nobody else has counted meanwhile: another worker that has the request counts for itself. Without any start
    it is no suspect any more.
    """
    counted = Equals(names.STARTS, state.starts)
    write = _count_starts("clear", state, state.starts - 1, now_ms, counted)
    if state.starts > 1:
        return write
    sets = {name: value for name, value in write.sets.items() if name != names.STARTS}
    return msgspec.structs.replace(write, sets=sets, removes=(names.STARTS,))


def redrive(row: Unfinished, *, due_at: int) -> Write:
    """Pending or waiting -> pending with the next attempt: what the sweep does.

    Args:
        row: as the index shows it; `queue` and `due_at` must still be what was seen.
        due_at: epoch milliseconds from which, plus the sweep's grace, it counts as overdue again.
    """
    state = row.state
    return Write(
        transition="redrive",
        id=state.id,
        conditions=(
            *_generation(state),
            *_UNSETTLED,
            Equals(names.ATTEMPT, state.attempt),
            Equals(names.QUEUE, stored_status(state.status, state.digit)),
            Equals(names.DUE_AT, row.due_at),
        ),
        sets={
            **_unfinished(names.PENDING, state.digit, due_at),
            names.ATTEMPT: state.attempt + 1,
        },
    )


def retry(state: State, *, error: str, now_ms: int, undo_only: int | None = None) -> Write:
    """Failed -> pending with the next attempt and a fresh retry schedule: what an operator does.

    Args:
        state: the failed request as it was seen.
        error: its error as it was seen; kept as `last_error`.
        now_ms: epoch milliseconds.
        undo_only: the attempt at which the run began of which what is left is taken back, and no more. An earlier retry
            may have asked for another run after it, and have come no further than this one's undo: that is forgotten.
            None: what was undone is done anew.
    """
    return Write(
        transition="retry",
        id=state.id,
        conditions=(*_generation(state), Equals(names.ATTEMPT, state.attempt), Equals(names.ERROR, error)),
        sets={
            **_unfinished(names.PENDING, state.digit, now_ms),
            names.ATTEMPT: state.attempt + 1,
            names.TRIES: 0,
            names.LAST_ERROR: error,
            names.RERUN: state.attempt + 1 if undo_only is None else undo_only,
        },
        # Counted starts would fail it again at once if it had killed its worker: the operator knows that it may run.
        removes=(names.ERROR, names.STARTS),
    )


def force(state: State, *, ttl: int, now_ms: int) -> Write:
    """Done -> pending with the next attempt and a fresh retry schedule: what an operator does who knows better.

    A success counts at any attempt not below `floor`: that is now the new one, or the answer that an older run still
    owes would end this one before it has begun.

    Args:
        state: the done request as it was seen.
        ttl: as it was seen; epoch seconds.
        now_ms: epoch milliseconds.
    """
    return Write(
        transition="force",
        id=state.id,
        conditions=(*_generation(state), Equals(names.ATTEMPT, state.attempt), Equals(names.TTL, ttl)),
        sets={
            **_unfinished(names.PENDING, state.digit, now_ms),
            names.ATTEMPT: state.attempt + 1,
            names.FLOOR: state.attempt + 1,
            names.TRIES: 0,
        },
        # Without `ttl` it can't expire while it runs.
        removes=(names.TTL, names.RESULT, names.ERROR, names.STARTS),
    )


def restore(accepted: Accepted, *, digit: str, attempt: int, now_ms: int) -> Insert:
    """Gone -> pending with the next attempt: the same request, of the same generation, from a change record's image.

    Args:
        accepted: the request as it was accepted.
        digit: the hex digit of its status.
        attempt: the highest that it is known to have had: neither an outcome of that one nor of any before can settle
            it now.
        now_ms: epoch milliseconds.
    """
    attributes: dict[str, Value | dict[str, str]] = {
        names.REQUEST: accepted.body,
        names.TYPE: accepted.type,
        names.CONTENT_TYPE: accepted.content_type,
        names.HEADERS: accepted.headers,
        names.ACCEPTED_AT: accepted.accepted_at,
        names.ATTEMPT: attempt + 1,
        names.FLOOR: attempt + 1,
        names.TRIES: 0,
        **_unfinished(names.PENDING, digit, now_ms),
    }
    if accepted.encoding:
        attributes[names.ENCODING] = accepted.encoding
    return Insert(transition="restore", id=accepted.id, attributes=attributes)


def _count_starts(transition: str, state: State, starts: int, now_ms: int, *conditions: Condition) -> Write:
    return Write(
        transition=transition,
        id=state.id,
        conditions=(*_this_attempt(state), *conditions),
        sets={**_unfinished(names.PENDING, state.digit, now_ms), names.STARTS: starts},
    )


def _generation(state: State) -> tuple[Condition, ...]:
    return Present(names.REQUEST), Equals(names.ACCEPTED_AT, state.accepted_at)


def _this_attempt(state: State) -> tuple[Condition, ...]:
    return (
        *_generation(state),
        *_UNSETTLED,
        Equals(names.ATTEMPT, state.attempt),
        Equals(names.STATUS, stored_status(names.PENDING, state.digit)),
    )


def _unfinished(status: str, digit: str, due_at: int) -> dict[str, Value]:
    stored = stored_status(status, digit)
    return {names.STATUS: stored, names.QUEUE: stored, names.DUE_AT: due_at}

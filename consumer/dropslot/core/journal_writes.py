"""Every write of a journal's item. Each can be repeated when its answer was lost: the outcome is the same."""

from dropslot.core import journal, names
from dropslot.core.journal import AsSeen, Entry, JournalWrite, Key, Lease, Owned, Step, Unclaimed
from dropslot.core.text import cut


def begin(key: Key, lease: Lease, *, attempt: int) -> JournalWrite:
    """Make the journal of a run, and claim it."""
    return JournalWrite(
        kind="begin",
        key=key,
        condition=Unclaimed(),
        sets={
            (names.ATTEMPT,): attempt,
            (journal.BEGAN,): attempt,
            **_held(lease),
        },
    )


def take(seen: Entry, lease: Lease, *, attempt: int, rerun: int = 0) -> JournalWrite:
    """Claim a journal that nobody holds any more; one that was stuck gets a fresh retry schedule.

    Args:
        seen: as it was read.
        lease: who claims it.
        attempt: at which.
        rerun: of the request. A run that goes forward because an operator has asked for it has used that up: if it is
            undone later, nobody has asked for another one.
    """
    goes_on = rerun > seen.began and not seen.undoing
    return JournalWrite(
        kind="take",
        key=seen.key,
        condition=_unchanged(seen),
        sets={
            (names.ATTEMPT,): attempt,
            **({(journal.BEGAN,): attempt} if goes_on else {}),
            **_held(lease),
            **_fresh_undos(seen),
        },
        removes=(journal.CLOSED, journal.CLOSED_BY, names.TTL, *((journal.UNDO_TRIES,) if seen.closed else ())),
    )


def renew(key: Key, lease: Lease, *, undo_tries: int | None = None) -> JournalWrite:
    """Hold on to it.

    Args:
        key: which journal.
        lease: the new one.
        undo_tries: to be kept; None: as they were.
    """
    return JournalWrite(
        kind="renew", key=key, condition=Owned(lease.owner), sets={**_tried(undo_tries), **_held(lease)}
    )


def finish(key: Key, lease: Lease, *, index: int, step: Step) -> JournalWrite:
    """Note that a step is finished.

    Args:
        key: which journal.
        lease: renewed with it.
        index: how many were finished before.
        step: the step.
    """
    return JournalWrite(
        kind="finish", key=key, condition=Owned(lease.owner), sets={(journal.STEPS, index): step, **_held(lease)}
    )


def turn(key: Key, lease: Lease, *, error: str) -> JournalWrite:
    """Turn its direction, for good: from now on finished steps are undone.

    Args:
        key: which journal.
        lease: renewed with it.
        error: why the request fails.
    """
    return JournalWrite(
        kind="turn",
        key=key,
        condition=Owned(lease.owner),
        sets={(journal.UNDOING,): 1, (names.ERROR,): cut(error, names.ERROR_MAX_BYTES), **_held(lease)},
    )


def undone(key: Key, lease: Lease, *, index: int, at_ms: int) -> JournalWrite:
    """Note that a step is undone."""
    return JournalWrite(
        kind="undone",
        key=key,
        condition=Owned(lease.owner),
        sets={(journal.STEPS, index, "undone_at"): at_ms, **_held(lease)},
    )


def not_undone(key: Key, lease: Lease, *, index: int, error: str) -> JournalWrite:
    """Note why a step can't be undone."""
    return JournalWrite(
        kind="not_undone",
        key=key,
        condition=Owned(lease.owner),
        sets={(journal.STEPS, index, "undo_error"): cut(error, journal.UNDO_ERROR_MAX_BYTES), **_held(lease)},
    )


def release(key: Key, owner: str, *, undo_tries: int | None = None) -> JournalWrite:
    """Let go of it; the request waits.

    Args:
        key: which journal.
        owner: who holds it.
        undo_tries: to be kept; None: as they were.
    """
    return JournalWrite(
        kind="release",
        key=key,
        condition=Owned(owner),
        sets=_tried(undo_tries),
        removes=_HOLD,
    )


def close_done(key: Key, owner: str, *, result: str | None, ttl: int) -> JournalWrite:
    """End a run that is done.

    Args:
        key: which journal.
        owner: who holds it.
        result: what the handler returned, as JSON; None for nothing.
        ttl: when it may be deleted, epoch seconds.
    """
    kept: dict[journal.Path, journal.Value] = {} if result is None else {(names.RESULT,): result}
    return _close(key, owner, journal.DONE, kept | {(names.TTL,): ttl})


def close_failed(key: Key, owner: str, *, error: str) -> JournalWrite:
    """End a run that has failed and of which nothing is undone; a later attempt goes on behind what is finished."""
    return _close(key, owner, journal.FAILED, {(names.ERROR,): cut(error, names.ERROR_MAX_BYTES)})


def close_undone(key: Key, owner: str, *, error: str) -> JournalWrite:
    """End a run of which nothing is left."""
    return _close(key, owner, journal.UNDONE, {(names.ERROR,): cut(error, names.ERROR_MAX_BYTES)})


def close_stuck(key: Key, owner: str, *, error: str) -> JournalWrite:
    """End a run of which something is left that can't be undone, until an operator has it tried again."""
    return _close(key, owner, journal.STUCK, {(names.ERROR,): cut(error, names.ERROR_MAX_BYTES)})


def expire(seen: Entry, *, ttl: int) -> JournalWrite:
    """Let the journal of an earlier run go with the last one.

    Args:
        seen: as it was read: closed.
        ttl: when it may be deleted, epoch seconds.
    """
    return JournalWrite(
        kind="expire",
        key=seen.key,
        condition=_unchanged(seen),
        sets={(names.TTL,): ttl},
    )


def _close(key: Key, owner: str, closed: str, kept: dict[journal.Path, journal.Value]) -> JournalWrite:
    return JournalWrite(
        kind=f"close_{closed}",
        key=key,
        condition=Owned(owner),
        sets={(journal.CLOSED,): closed, (journal.CLOSED_BY,): owner, **kept},
        removes=_HOLD,
    )


def _unchanged(seen: Entry) -> AsSeen:
    return AsSeen(attempt=seen.attempt, owner=seen.owner, lease_until=seen.lease_until, closed=seen.closed)


def _tried(undo_tries: int | None) -> dict[journal.Path, journal.Value]:
    return {} if undo_tries is None else {(journal.UNDO_TRIES,): undo_tries}


def _fresh_undos(seen: Entry) -> dict[journal.Path, journal.Value]:
    """Let what couldn't be undone be tried again, if that is what is asked for."""
    if seen.closed != journal.STUCK:
        return {}
    return {(journal.STEPS, index, "undo_error"): "" for index, step in enumerate(seen.steps) if step.undo_error}


def _held(lease: Lease) -> dict[journal.Path, journal.Value]:
    return {(journal.OWNER,): lease.owner, (journal.LEASE_UNTIL,): lease.until_ms}


_HOLD = (journal.OWNER, journal.LEASE_UNTIL)

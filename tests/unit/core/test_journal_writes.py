"""Every write of a journal's item, on the memory twin: by itself, and by workers that know nothing of each other."""

import asyncio
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropslot.adapters.journal.memory import MemoryJournal
from dropslot.core import journal, names
from dropslot.core import journal_writes as writes
from dropslot.core.item import State
from dropslot.core.journal import (
    DONE,
    STUCK,
    UNDONE,
    AsSeen,
    Claim,
    Entry,
    JournalWrite,
    Key,
    Lease,
    Owned,
    Step,
    Unclaimed,
    decide_claim,
)
from dropslot.engine.journal_port import Answer
from tests.unit.core.images import ACCEPTED_AT_MS, state

KEY: Final = Key(id="caller#orders#one", accepted_at=ACCEPTED_AT_MS, run=0)
LEASE: Final = Lease(owner="a1", until_ms=ACCEPTED_AT_MS + 30_000)
STEP: Final = Step(name="pay", result="1", at=5)

SEEN: Final = Entry(key=KEY, attempt=2, began=1, owner="b2", lease_until=7, closed=STUCK)

HELD: Final = [
    writes.renew(KEY, LEASE),
    writes.finish(KEY, LEASE, index=0, step=STEP),
    writes.turn(KEY, LEASE, error="no"),
    writes.undone(KEY, LEASE, index=0, at_ms=6),
    writes.not_undone(KEY, LEASE, index=0, error="no"),
]
ENDS: Final = [
    writes.release(KEY, "a1"),
    writes.release(KEY, "a1", undo_tries=2),
    writes.close_done(KEY, "a1", result="1", ttl=5),
    writes.close_failed(KEY, "a1", error="no"),
    writes.close_undone(KEY, "a1", error="no"),
    writes.close_stuck(KEY, "a1", error="no"),
]


def kind(write: JournalWrite) -> str:
    """Name a case."""
    return write.kind


def test_a_claim_depends_on_what_was_seen() -> None:
    """Given a claim, then it holds for no item, or for the very one that was seen."""
    assert writes.begin(KEY, LEASE, attempt=0).condition == Unclaimed()
    seen = AsSeen(attempt=2, owner="b2", lease_until=7, closed=STUCK)
    assert writes.take(SEEN, LEASE, attempt=3).condition == seen


@pytest.mark.parametrize("write", [*HELD, *ENDS], ids=kind)
def test_all_else_depends_on_holding_it(write: JournalWrite) -> None:
    """Given any other write, then it holds as long as the claim does."""
    assert write.condition == Owned("a1")


@pytest.mark.parametrize("write", HELD, ids=kind)
def test_what_is_noted_renews_the_lease(write: JournalWrite) -> None:
    """Given a write of a worker that goes on, then it keeps its hold by it."""
    assert write.sets[journal.OWNER,] == "a1"
    assert write.sets[journal.LEASE_UNTIL,] == LEASE.until_ms
    assert write.removes == ()


@pytest.mark.parametrize("write", ENDS, ids=kind)
def test_an_end_lets_go(write: JournalWrite) -> None:
    """Given a worker's last write, then nobody waits for its lease."""
    assert {journal.OWNER, journal.LEASE_UNTIL} <= set(write.removes)
    assert (journal.OWNER,) not in write.sets


@pytest.mark.parametrize(
    "write",
    [
        writes.turn(KEY, LEASE, error="é" * 3_000),
        writes.not_undone(KEY, LEASE, index=0, error="é" * 3_000),
        writes.close_failed(KEY, "a1", error="é" * 3_000),
        writes.close_undone(KEY, "a1", error="é" * 3_000),
        writes.close_stuck(KEY, "a1", error="é" * 3_000),
        writes.turn(KEY, LEASE, error="\ud800" * 3_000),
    ],
    ids=kind,
)
def test_errors_are_cut(write: JournalWrite) -> None:
    """Given an error of any length, and of what UTF-8 can't hold, then what is written of it fits."""
    (text,) = (value for value in write.sets.values() if isinstance(value, str) and len(value) > 100)
    assert len(text.encode()) <= names.ERROR_MAX_BYTES


def test_a_journal_that_is_taken_is_open() -> None:
    """Given one that was closed, when it is taken, then nothing says that it is closed, nor when it may be deleted."""
    removed = set(writes.take(SEEN, LEASE, attempt=3).removes)
    assert removed >= {journal.CLOSED, journal.CLOSED_BY, names.TTL}


@pytest.mark.parametrize(("closed", "fresh"), [(STUCK, True), ("", False)])
def test_an_undo_that_is_tried_anew_has_its_whole_schedule(closed: str, *, fresh: bool) -> None:
    """Given one that was stuck, its failures don't count any more; of one that only waited they do."""
    seen = msgspec.structs.replace(SEEN, closed=closed)
    assert (journal.UNDO_TRIES in writes.take(seen, LEASE, attempt=3).removes) is fresh


# Workers that know nothing of each other


class Worker(msgspec.Struct, kw_only=True):
    """A worker, with what it knows.

    Args:
        lease: what it claims with.
        request: as it has read it.
        key: what it believes to hold; None for nothing.
        steps: how many steps it believes to be finished.
    """

    lease: Lease
    request: State
    key: Key | None = None
    steps: int = 0


class Table:
    """A journal's table, the request beside it, and the workers; each move is checked against what was before.

    Args:
        count: how many workers there are.
    """

    def __init__(self, count: int) -> None:
        self.now_ms = ACCEPTED_AT_MS
        self.twin = MemoryJournal()
        self.request = state(id=KEY.id)
        self.workers = [self._worker(number) for number in range(count)]
        self._worked = count

    def _worker(self, number: int) -> Worker:
        return Worker(lease=Lease(owner=f"w{number}", until_ms=0), request=self.request)

    def move(self, who: int, what: str) -> None:
        """Make one move."""
        worker = self.workers[who % len(self.workers)]
        before = {run.key: run for run in self.twin.entries(KEY.id)}
        getattr(self, what)(worker)
        for run in self.twin.entries(KEY.id):
            if run.key in before:
                self.check(before[run.key], run)

    @staticmethod
    def check(old: Entry, new: Entry) -> None:
        """Check that nothing was lost, and that nothing turned back."""
        assert new.attempt >= old.attempt
        assert new.began == old.began
        assert [one.name for one in new.steps][: len(old.steps)] == [one.name for one in old.steps]
        assert all(
            one.undone_at == other.undone_at or not one.undone_at
            for one, other in zip(old.steps, new.steps, strict=False)
        )
        if old.undoing:
            assert new.undoing
            assert len(new.steps) == len(old.steps)
        if old.closed in (DONE, UNDONE):
            assert new == old
        assert not (new.owner and new.closed)

    # Moves of the world

    def wait(self, worker: Worker) -> None:
        """Time passes; leases end."""
        self.now_ms += 21_000

    def crash(self, worker: Worker) -> None:
        """The worker is gone; another one reads the request."""
        self.workers[self.workers.index(worker)] = self._worker(self._worked)
        self._worked += 1

    def retry(self, worker: Worker) -> None:
        """An operator has it run again."""
        attempt = self.request.attempt + 1
        self.request = msgspec.structs.replace(self.request, attempt=attempt, rerun=attempt)

    def sweep(self, worker: Worker) -> None:
        """The sweep has it run again."""
        self.request = msgspec.structs.replace(self.request, attempt=self.request.attempt + 1)

    def force(self, worker: Worker) -> None:
        """An operator has it run again although it is done."""
        attempt = self.request.attempt + 1
        self.request = msgspec.structs.replace(self.request, attempt=attempt, floor=attempt)

    # Moves of a worker

    def claim(self, worker: Worker) -> None:
        """Begin or take, as the journal lets it."""
        if worker.key is not None:
            return
        worker.lease = self._lease(worker)
        run = 0
        while True:
            key = Key(id=KEY.id, accepted_at=KEY.accepted_at, run=run)
            answer = self._write(writes.begin(key, worker.lease, attempt=worker.request.attempt))
            found = answer.entry
            assert found is not None
            if not answer.applied:
                claim = decide_claim(found, worker.request, now_ms=self.now_ms)
                if claim is Claim.NEXT_RUN:
                    run += 1
                    continue
                if claim is not Claim.TAKE:
                    return
                answer = self._write(writes.take(found, worker.lease, attempt=worker.request.attempt))
                assert answer.applied
                found = answer.entry
                assert found is not None
            worker.key, worker.steps = found.key, len(found.steps)
            return

    def finish(self, worker: Worker) -> None:
        """Finish a step, unless it is to be undone."""
        step = Step(name=f"step {worker.steps}", result="1", at=self.now_ms)
        if not self._undoing(worker) and self._note(worker, writes.finish, index=worker.steps, step=step):
            worker.steps += 1

    def renew(self, worker: Worker) -> None:
        """Hold on to it."""
        self._note(worker, writes.renew)

    def turn(self, worker: Worker) -> None:
        """Turn its direction."""
        self._note(worker, writes.turn, error="no")

    def undo(self, worker: Worker) -> None:
        """Undo the last step that isn't undone yet."""
        if worker.key is None or not self._undoing(worker):
            return
        (found,) = (run for run in self.twin.entries(KEY.id) if run.key == worker.key)
        left = [index for index, step in enumerate(found.steps) if not step.undone_at]
        if left:
            self._note(worker, writes.undone, index=left[-1], at_ms=self.now_ms)

    def release(self, worker: Worker) -> None:
        """Let go."""
        self._end(worker, writes.release)

    def close(self, worker: Worker) -> None:
        """Close it as its direction has it, something being left or not."""
        if worker.key is None:
            return
        if not self._undoing(worker):
            self._end(worker, writes.close_done, result="1", ttl=5)
        else:
            (found,) = (run for run in self.twin.entries(KEY.id) if run.key == worker.key)
            left = any(not step.undone_at for step in found.steps)
            self._end(worker, writes.close_stuck if left else writes.close_undone, error="no")

    def fail(self, worker: Worker) -> None:
        """Close it with nothing undone."""
        if not self._undoing(worker):
            self._end(worker, writes.close_failed, error="no")

    def _undoing(self, worker: Worker) -> bool:
        return any(run.undoing for run in self.twin.entries(KEY.id) if run.key == worker.key)

    def _lease(self, worker: Worker) -> Lease:
        return Lease(owner=worker.lease.owner, until_ms=self.now_ms + 20_000)

    def _note(self, worker: Worker, make: Any, **fields: Any) -> bool:
        if worker.key is None:
            return False
        worker.lease = self._lease(worker)
        return self._own(worker, make(worker.key, worker.lease, **fields))

    def _end(self, worker: Worker, make: Any, **fields: Any) -> None:
        if worker.key is not None:
            self._own(worker, make(worker.key, worker.lease.owner, **fields))
            worker.key = None

    def _own(self, worker: Worker, write: JournalWrite) -> bool:
        """Make a write that holds as long as the claim does; twice, as if the first answer had been lost."""
        (before,) = (run for run in self.twin.entries(KEY.id) if run.key == write.key)
        answer = self._write(write)
        assert answer.applied is (before.owner == worker.lease.owner)
        after = self.twin.entries(KEY.id)
        self._write(write)
        assert self.twin.entries(KEY.id) == after
        if not answer.applied:
            worker.key = None
        return answer.applied

    def _write(self, write: JournalWrite) -> Answer:
        return asyncio.run(self.twin.write(write))


MOVES: Final = (
    *("claim", "finish", "claim", "finish", "renew", "turn", "undo", "undo", "release", "fail", "close"),
    *("wait", "crash", "retry", "sweep", "force"),
)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 3), st.sampled_from(MOVES)), min_size=30, max_size=80))
def test_whatever_workers_do_a_journal_only_goes_forward(count: int, moves: list[tuple[int, str]]) -> None:
    """Given workers that claim, write, crash and are overtaken in any order, then no journal loses what it says."""
    table = Table(count)
    for who, what in moves:
        table.move(who, what)

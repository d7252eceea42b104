"""Bugs of what operators use that the simulation must find; see `planted`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

import msgspec

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.core import names, transitions
from dropslot.core.item import Accepted, State
from dropslot.core.policy import Done
from dropslot.core.transitions import AbsentOrAtMost, Insert, Present, Write
from dropslot.engine.ports import WriteResult
from dropslot.engine.window import Window
from dropslot.operate import retrying
from dropslot.operate.redrive import Redrive
from dropslot.operate.replay import acting
from dropslot.operate.replay.acting import Actions
from dropslot.operate.replay.classify import Class
from dropslot.operate.replay.ledger import Ledger
from dropslot.operate.replay.reading import Classified
from tests.simulation.planted import Bug, changed


@contextmanager
def retry_trusts_what_it_saw() -> Iterator[None]:
    """A retry takes the request as it is, whatever became of it since."""
    real = transitions.retry

    def retry(state: State, **rest: Any) -> Write:
        return changed(real(state, **rest), conditions=(Present(names.REQUEST),))

    with patch.object(retrying, "retry", retry):
        yield


@contextmanager
def retry_keeps_starts() -> Iterator[None]:
    """What has killed its workers is run again with its counts: one death, and it is failed again."""
    real = transitions.retry

    def retry(state: State, **rest: Any) -> Write:
        return changed(real(state, **rest), removes=(names.ERROR,))

    with patch.object(retrying, "retry", retry):
        yield


@contextmanager
def retry_in_the_same_attempt() -> Iterator[None]:
    """A retried request keeps its attempt."""
    real = transitions.retry

    def retry(state: State, **rest: Any) -> Write:
        write = real(state, **rest)
        return changed(write, sets={**write.sets, names.ATTEMPT: state.attempt})

    with patch.object(retrying, "retry", retry):
        yield


@contextmanager
def force_without_floor() -> Iterator[None]:
    """A forced redrive is one like any other: the success of a run before it ends it."""
    real = transitions.force

    def force(state: State, **rest: Any) -> Write:
        write = real(state, **rest)
        return changed(write, sets={name: value for name, value in write.sets.items() if name != names.FLOOR})

    with patch.object(acting, "force", force):
        yield


@contextmanager
def force_trusts_what_it_saw() -> Iterator[None]:
    """A forced redrive takes the request as it is, whatever became of it since."""
    real = transitions.force

    def force(state: State, **rest: Any) -> Write:
        return changed(real(state, **rest), conditions=(Present(names.REQUEST),))

    with patch.object(acting, "force", force):
        yield


@contextmanager
def done_ignores_the_floor() -> Iterator[None]:
    """A success counts for any attempt, also for one that was forced since."""
    real = transitions.done

    def done(state: State, outcome: Done, **rest: Any) -> Write:
        write = real(state, outcome, **rest)
        kept = tuple(condition for condition in write.conditions if not isinstance(condition, AbsentOrAtMost))
        return changed(write, conditions=kept)

    with patch.object(transitions, "done", done):
        yield


@contextmanager
def forced_redrives_join() -> Iterator[None]:
    """A forced redrive joins the run before it, which can't settle it."""
    real = Window.takes_over

    def takes_over(self: Window, state: State, entry: Any) -> bool:
        return real(self, msgspec.structs.replace(state, floor=0), entry)

    with patch.object(Window, "takes_over", takes_over):
        yield


@contextmanager
def restore_overwrites() -> Iterator[None]:
    """What is restored takes the place of whatever has its id."""
    real = MemoryRequests._insert

    def insert(self: MemoryRequests, insert: Insert) -> WriteResult:
        self.items.pop(insert.id, None)
        return real(self, insert)

    with patch.object(MemoryRequests, "_insert", insert):
        yield


@contextmanager
def restore_in_the_same_attempt() -> Iterator[None]:
    """What is restored has the attempt that it had."""
    real = transitions.restore

    def restore(accepted: Accepted, *, attempt: int, **rest: Any) -> Insert:
        return real(accepted, attempt=attempt - 1, **rest)

    with patch.object(acting, "restore", restore):
        yield


@contextmanager
def replay_trusts_what_it_saw() -> Iterator[None]:
    """A replay redrives what was overdue when it looked."""
    real = transitions.redrive

    def redrive(row: Any, **rest: Any) -> Write:
        return changed(real(row, **rest), conditions=(Present(names.REQUEST),))

    with patch.object(acting, "redrive", redrive):
        yield


@contextmanager
def replay_redrives_the_failed() -> Iterator[None]:
    """A default replay runs failed requests again."""
    with patch.object(Actions, "classes", frozenset({Class.WOULD_RUN, Class.FAILED})):
        yield


@contextmanager
def replay_restores_the_deleted() -> Iterator[None]:
    """A forced replay brings back what somebody deleted."""
    with patch.object(Actions, "comes_back", lambda *_: True):
        yield


@contextmanager
def replay_runs_what_was_settled_since() -> Iterator[None]:
    """A replay runs whatever is settled when it comes to it, whether its operator was asked about that or not."""
    real = Actions.redrive

    def redrive(self: Actions, classified: Classified) -> Redrive | None:
        return real(replace(self, settled=None), classified)

    with patch.object(Actions, "redrive", redrive):
        yield


@contextmanager
def replay_forgets_its_intents() -> Iterator[None]:
    """A replay that was cut short doesn't know what it was about to do."""
    with patch.object(Ledger, "begin", lambda *_: None):
        yield


#: Every bug by its name.
BUGS: Final[Mapping[str, Bug]] = {
    bug.__name__: bug
    for bug in (
        retry_trusts_what_it_saw,
        retry_keeps_starts,
        retry_in_the_same_attempt,
        force_without_floor,
        force_trusts_what_it_saw,
        done_ignores_the_floor,
        forced_redrives_join,
        restore_overwrites,
        restore_in_the_same_attempt,
        replay_trusts_what_it_saw,
        replay_redrives_the_failed,
        replay_restores_the_deleted,
        replay_runs_what_was_settled_since,
        replay_forgets_its_intents,
    )
}

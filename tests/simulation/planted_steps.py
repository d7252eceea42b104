"""Bugs of steps that the simulation must find: each a small change to the product, for as long as its block runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final
from unittest.mock import patch

import msgspec

from dropslot.core import journal, journal_writes
from dropslot.core.item import State
from dropslot.core.journal import Claim, Entry, JournalWrite, Step
from dropslot.core.policy import Failed, Outcome
from dropslot.engine.steps import claim
from dropslot.engine.steps.conclusion import Conclusion
from dropslot.engine.steps.plan import Plan
from dropslot.engine.steps.session import Session
from dropslot.engine.steps.visit import Undo, Visit

Bug = Callable[[], AbstractContextManager[None]]


@contextmanager
def leases_keep_nobody_out() -> Iterator[None]:
    """A journal can be taken while its owner is at work."""
    real = journal.decide_claim

    def decide_claim(entry: Entry, state: State, **rest: Any) -> Claim:
        decided = real(entry, state, **rest)
        return Claim.TAKE if decided is Claim.HELD else decided

    with patch.object(claim, "decide_claim", decide_claim):
        yield


@contextmanager
def finished_steps_run_again() -> Iterator[None]:
    """The last finished step isn't found."""
    real = Visit.stored

    def stored(self: Visit, plan: Plan) -> Step | None:
        found = real(self, plan)
        if found is not None and self.session.turned is None and self.asked + 1 == len(self.session.steps):
            self.session.steps.pop()
            return None
        return found

    with patch.object(Visit, "stored", stored):
        yield


@contextmanager
def the_turn_is_not_kept() -> Iterator[None]:
    """That a request is being undone is known to its worker only."""

    async def turn(self: Session, error: str) -> None:
        self.turned = error

    with patch.object(Session, "turn", turn):
        yield


@contextmanager
def steps_are_undone_in_order() -> Iterator[None]:
    """The first step is undone first."""
    real = Visit.left

    def left(self: Visit) -> list[Undo]:
        return real(self)[::-1]

    with patch.object(Visit, "left", left):
        yield


@contextmanager
def undone_is_forgotten() -> Iterator[None]:
    """That a step is undone isn't kept."""
    real = journal_writes.undone

    def undone(*args: Any, **rest: Any) -> JournalWrite:
        write = real(*args, **rest)
        return msgspec.structs.replace(write, sets={path: value for path, value in write.sets.items() if len(path) < 2})

    with patch.object(journal_writes, "undone", undone):
        yield


@contextmanager
def done_is_not_closed() -> Iterator[None]:
    """A run that is done lets go of its journal, and leaves it open."""

    def close_done(key: Any, owner: str, **_: Any) -> JournalWrite:
        return journal_writes.release(key, owner)

    with patch.object(journal_writes, "close_done", close_done):
        yield


@contextmanager
def failed_lets_go_first() -> Iterator[None]:
    """A run that fails with nothing to undo lets go of its journal: another worker goes on before it is failed."""

    async def failed_as_it_is(self: Conclusion, error: str) -> Outcome:
        if self._session.hold.held:
            await self._session.hold.release()
        return Failed(error)

    with patch.object(Conclusion, "_failed_as_it_is", failed_as_it_is):
        yield


@contextmanager
def a_retry_is_never_used_up() -> Iterator[None]:
    """A run that goes on because an operator asked for that is run anew once it is undone: nobody asked for that."""
    real = journal_writes.take

    def take(*args: Any, **rest: Any) -> JournalWrite:
        return real(*args, **{**rest, "rerun": 0})

    with patch.object(journal_writes, "take", take):
        yield


BUGS: Final[Mapping[str, Bug]] = {
    bug.__name__: bug
    for bug in (
        leases_keep_nobody_out,
        finished_steps_run_again,
        the_turn_is_not_kept,
        steps_are_undone_in_order,
        undone_is_forgotten,
        done_is_not_closed,
        failed_lets_go_first,
        a_retry_is_never_used_up,
    )
}

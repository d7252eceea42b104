"""Bugs of the functions that the simulation must find; see `planted`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

from dropslot.core import mapping, names, policy, transitions
from dropslot.core.item import State
from dropslot.core.policy import Ending, Outcome, Waiting
from dropslot.core.transitions import Present, Write
from dropslot.engine.shard import Shard
from dropslot.engine.stream_record import StreamRecord
from dropslot.runtimes.lambda_ import deadline, environment, invocation
from dropslot.runtimes.lambda_.environment import Environment
from dropslot.runtimes.lambda_.parking import PARKED, ParkingPolicy, ParkingRunner

Bug = Callable[[], AbstractContextManager[None]]


@contextmanager
def function_reports_nothing() -> Iterator[None]:
    """A function answers as if all were resolved, whatever went wrong."""

    async def resolve(*args: Any, **rest: Any) -> Sequence[StreamRecord]:
        await invocation.resolve(*args, **rest)
        return ()

    with patch.object(environment, "resolve", resolve):
        yield


@contextmanager
def late_answer_claims_all() -> Iterator[None]:
    """A function whose time is up answers as if all were resolved."""
    real = invocation._within
    in_time = True

    async def within(seconds: float, work: Any, clock: Any) -> bool:
        nonlocal in_time
        in_time = await real(seconds, work, clock)
        return in_time

    async def resolve(*args: Any, **rest: Any) -> Sequence[StreamRecord]:
        left = await invocation.resolve(*args, **rest)
        return left if in_time else ()

    with patch.object(invocation, "_within", within), patch.object(environment, "resolve", resolve):
        yield


@contextmanager
def highest_reported() -> Iterator[None]:
    """A function names the last unresolved record instead of the first."""

    async def resolve(*args: Any, **rest: Any) -> Sequence[StreamRecord]:
        return (await invocation.resolve(*args, **rest))[-1:]

    with patch.object(environment, "resolve", resolve):
        yield


@contextmanager
def parks_without_condition() -> Iterator[None]:
    """A parked request becomes waiting, whatever it was."""
    real = transitions.waiting

    def waiting(state: State, outcome: Waiting, *, now_ms: int) -> Write:
        write = real(state, outcome, now_ms=now_ms)
        if outcome.last_error != PARKED:
            return write
        return Write(
            transition=write.transition,
            id=write.id,
            conditions=(Present(names.REQUEST),),
            sets=write.sets,
            removes=write.removes,
        )

    with patch.object(transitions, "waiting", waiting):
        yield


@contextmanager
def parking_counts() -> Iterator[None]:
    """A parked request has used up a try, and fails of that in the end."""
    real = ParkingPolicy.judge

    def judge(self: ParkingPolicy, state: State, ending: Ending) -> Outcome:
        outcome = real(self, state, ending)
        parked = isinstance(outcome, Waiting) and outcome.last_error == PARKED
        return self.later(state, PARKED) if parked else outcome

    with patch.object(ParkingPolicy, "judge", judge):
        yield


@contextmanager
def parks_too_early() -> Iterator[None]:
    """A function keeps half of its time for handlers that it doesn't start."""
    with patch.object(deadline, "WRITE_MARGIN_SECONDS", 12.0):
        yield


@contextmanager
def tries_parked() -> Iterator[None]:
    """A further try in process near the deadline is parked, as if the handler had never been called."""
    real = ParkingRunner.call

    async def call(self: ParkingRunner, request: Any) -> Ending:
        self._called.clear()
        return await real(self, request)

    with (
        patch.object(ParkingRunner, "call", call),
        patch.object(ParkingPolicy, "pause_before_next_try", policy.Policy.pause_before_next_try),
    ):
        yield


@contextmanager
def answers_too_late() -> Iterator[None]:
    """A function leaves itself no time for its answer."""
    with patch.object(deadline, "ANSWER_MARGIN_SECONDS", 0.0):
        yield


@contextmanager
def frozen_environment_was_up() -> Iterator[None]:
    """A retry is a first delivery for any environment that was there before its records, however long they have had."""
    real = Environment._shard

    def shard(self: Environment, now_ms: float, *rest: Any) -> Shard:
        made = real(self, now_ms, *rest)
        made._up_since_ms = self._started_ms
        return made

    with patch.object(Environment, "_shard", shard):
        yield


@contextmanager
def environment_was_always_up() -> Iterator[None]:
    """A new environment takes all that is young for a first delivery, also what its predecessor died of."""
    real = Environment._shard

    def shard(self: Environment, now_ms: float, *rest: Any) -> Shard:
        self._started_ms = 0
        made = real(self, now_ms, *rest)
        made._up_since_ms = 0
        return made

    with patch.object(Environment, "_shard", shard):
        yield


@contextmanager
def counts_kept_at_the_end() -> Iterator[None]:
    """A function that answers in order leaves the starts counted that it gives up."""

    async def stand_down(self: Shard) -> None:
        del self

    with patch.object(Shard, "stand_down", stand_down):
        yield


@contextmanager
def hanging_handlers_pile_up() -> Iterator[None]:
    """An environment lives on however many of its handlers never return."""
    real = Environment.__init__

    def init(self: Environment, *args: Any, **rest: Any) -> None:
        real(self, *args, **rest)
        self._leave = lambda: None

    with patch.object(Environment, "__init__", init):
        yield


@contextmanager
def given_up_handlers_count_as_returned() -> Iterator[None]:
    """A batch that is given up ends the calls of handlers that hang, as far as their runner can tell."""
    with patch("dropslot.engine.execution.asyncio", SimpleNamespace(shield=lambda late: late)):
        yield


@contextmanager
def filters_drop_redrives() -> Iterator[None]:
    """The mapping brings new requests only."""
    with patch.object(mapping, "FILTERS", mapping.FILTERS[:1]):
        yield


#: Every bug by its name.
BUGS: Final[Mapping[str, Bug]] = {
    bug.__name__: bug
    for bug in (
        function_reports_nothing,
        late_answer_claims_all,
        highest_reported,
        parks_without_condition,
        parking_counts,
        parks_too_early,
        tries_parked,
        answers_too_late,
        frozen_environment_was_up,
        environment_was_always_up,
        counts_kept_at_the_end,
        hanging_handlers_pile_up,
        given_up_handlers_count_as_returned,
        filters_drop_redrives,
    )
}

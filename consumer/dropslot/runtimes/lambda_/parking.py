"""Parking: a request that an invocation has no time for any more waits, so that its batch can be acknowledged.

The engine runs every request of a batch. Near the deadline the runner doesn't call the handler but ends the run at
once; the policy makes that a wait of no length that is no failure.
"""

from typing import TYPE_CHECKING, Final

from dropslot.core.errors import RetryLater
from dropslot.core.item import State
from dropslot.core.policy import Ending, Outcome, Policy, Raised, Waiting
from dropslot.core.request import Request
from dropslot.engine.ports import Clock, Runner, SteppedRunner

if TYPE_CHECKING:
    from dropslot.engine.steps.visit import Undo, Visit

#: The `last_error` of a parked request.
PARKED: Final = "not started: the function's time was nearly up"


class ParkedError(RetryLater):
    """There was no time left to call the handler."""


class ParkingRunner:
    """Calls the handler of one invocation, as long as a call has its full time limit.

    Args:
        runner: calls the handler.
        clock: time.
        start_until_ms: epoch milliseconds after which no handler is called for the first time.
    """

    def __init__(self, runner: Runner, *, clock: Clock, start_until_ms: float) -> None:
        self._runner = runner
        self._clock = clock
        self._start_until_ms = start_until_ms
        self._called: set[tuple[str, float]] = set()

    async def call(self, request: Request) -> Ending:
        """See `Runner.call`."""
        return self._parked(request) or await self._runner.call(request)

    @property
    def stepped(self) -> SteppedRunner | None:
        """See `Runner.stepped`."""
        return self if self._runner.stepped is not None else None

    async def call_with(self, request: Request, visit: "Visit") -> Ending:
        """See `SteppedRunner.call_with`."""
        return self._parked(request) or await self._inner.call_with(request, visit)

    async def undo(self, request: Request, visit: "Visit", undos: "list[Undo]") -> Ending:
        """See `SteppedRunner.undo`; what doesn't fit into the invocation any more waits."""
        if self._clock.now_ms() > self._start_until_ms:
            # Only here: handlers without steps needn't load it.
            from dropslot.engine.steps.interrupt import Interrupt  # noqa: PLC0415

            return Raised(visit.interrupted(Interrupt(PARKED, Waiting(PARKED, 0, counts=False))))
        return await self._inner.undo(request, visit, undos)

    @property
    def _inner(self) -> SteppedRunner:
        stepped = self._runner.stepped
        assert stepped is not None  # noqa: S101 - nobody calls it with steps otherwise
        return stepped

    def _parked(self, request: Request) -> Ending | None:
        key = (request.id, request.accepted_at.timestamp())
        # Another try of one that was called is the policy's to decide: it is no park, or it might never come to an end.
        if key not in self._called:
            if self._clock.now_ms() > self._start_until_ms:
                return Raised(ParkedError(PARKED))
            self._called.add(key)
        return None

    @property
    def lost(self) -> int:
        """See `Runner.lost`."""
        return self._runner.lost

    def close(self) -> None:
        """Leave the handlers' threads to the next invocation."""


class ParkingPolicy(Policy, frozen=True, kw_only=True):
    """Judges the endings of one invocation.

    Args:
        clock: time.
        start_until_ms: epoch milliseconds after which an error counts without a further try in process.
    """

    clock: Clock
    start_until_ms: float

    def pause_before_next_try(self, ending: Ending, tries_made: int) -> float | None:
        """See `Policy.pause_before_next_try`."""
        pause = super().pause_before_next_try(ending, tries_made)
        if pause is not None and self.clock.now_ms() + pause * 1000 > self.start_until_ms:
            return None
        return pause

    def judge(self, state: State, ending: Ending) -> Outcome:
        """See `Policy.judge`; a parked request waits however often that happens."""
        if isinstance(ending, Raised) and isinstance(ending.error, ParkedError):
            return Waiting(PARKED, 0, counts=False)
        return super().judge(state, ending)

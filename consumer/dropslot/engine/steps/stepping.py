"""Steps as the engine's execution sees them: one run of a request with steps, from its first call to its outcome."""

from collections.abc import Callable

import msgspec

from dropslot.core.item import State
from dropslot.core.policy import Ending, Outcome, Policy, Raised
from dropslot.core.request import Request
from dropslot.engine.backoff import Backoff
from dropslot.engine.journal_port import Journal
from dropslot.engine.ports import Clock, Counters, SteppedRunner
from dropslot.engine.steps.claim import Hold
from dropslot.engine.steps.conclusion import Conclusion, UndoCall
from dropslot.engine.steps.interrupt import Interrupt
from dropslot.engine.steps.session import Session
from dropslot.engine.steps.visit import Undo, Visit


class StepOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How steps are run.

    Args:
        lease_ms: how long a worker that is never heard of again keeps others from going on.
        limit_seconds: the time limit of one call of a handler.
    """

    lease_ms: int = 30_000
    limit_seconds: float = 60.0


class Stepping:
    """Makes the runs of requests whose handlers take steps.

    Args:
        journal: the table of journals.
        clock: time.
        counters: where events are counted.
        backoff: pauses while the table can't be reached.
        options: the rest.
    """

    def __init__(
        self, journal: Journal, *, clock: Clock, counters: Counters, backoff: Backoff, options: StepOptions
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._counters = counters
        self._backoff = backoff
        self._options = options

    def start(self, state: State, runner: SteppedRunner, *, policy: Policy, ttl_seconds: int) -> "SteppedRun":
        """Return a run; it makes no call before the handler's first step.

        Args:
            state: the request as it is run.
            runner: calls its handler.
            policy: how endings are judged.
            ttl_seconds: how long a done request is kept.
        """
        hold = Hold(
            self._journal,
            clock=self._clock,
            counters=self._counters,
            backoff=self._backoff,
            lease_ms=self._options.lease_ms,
        )
        return SteppedRun(
            Session(state, hold, clock=self._clock),
            runner,
            policy=policy,
            ttl_seconds=ttl_seconds,
            limit_seconds=self._options.limit_seconds,
        )


class SteppedRun:
    """One run of a request with steps.

    Args:
        session: its journal.
        runner: calls its handler.
        policy: how endings are judged.
        ttl_seconds: how long a done request is kept.
        limit_seconds: the time limit of one call of the handler.
    """

    def __init__(
        self,
        session: Session,
        runner: SteppedRunner,
        *,
        policy: Policy,
        ttl_seconds: int,
        limit_seconds: float,
    ) -> None:
        self._session = session
        self._runner = runner
        self._policy = policy
        self._ttl_seconds = ttl_seconds
        self._limit_seconds = limit_seconds
        self._visit = self._new_visit()

    async def condemn(self, error: str, *, at_once: bool) -> tuple[bool, Outcome | None]:
        """Claim a request that fails whatever its handler does now.

        Args:
            error: why.
            at_once: nothing more is to be undone, either.

        Returns:
            Whether its handler is to be called, to show how what is finished is undone; and if it isn't, the outcome,
            None if another worker has the request.
        """
        try:
            await self._session.condemn(error, at_once=at_once)
        except Interrupt as interrupt:
            return False, interrupt.outcome
        return True, None

    async def call(self, request: Request) -> Ending:
        """Call the handler, once more perhaps: what is finished isn't run again."""
        self._visit = self._new_visit()
        return await self._runner.call_with(request, self._visit)

    def is_over(self, ending: Ending) -> bool:
        """Tell whether another call in process is out of the question: a step had its tries, or the run is over."""
        visit = self._visit
        if visit.interrupt is not None or visit.misuse is not None or visit.under_way:
            return True
        return isinstance(ending, Raised) and ending.error is visit.tried

    async def outcome(self, request: Request, ending: Ending, judge: Callable[[], Outcome]) -> Outcome | None:
        """Return the outcome to write; None if another worker has the request.

        Args:
            request: what the handler was called with.
            ending: how its last call ended.
            judge: judges that.
        """

        async def undo(undos: list[Undo]) -> tuple[Ending, Visit]:
            visit = self._new_visit()
            return await self._runner.undo(request, visit, undos), visit

        return await self._conclusion(judge, undo).outcome(ending)

    async def late_outcome(self, judge: Callable[[], Outcome]) -> Outcome | None:
        """Return the success of a handler that passed its limit; None if it doesn't count any more."""

        async def undo(undos: list[Undo]) -> tuple[Ending, Visit]:
            raise AssertionError(undos)

        return await self._conclusion(judge, undo).late_outcome()

    def close(self) -> None:
        """Begin no further step, and leave the journal to its lease."""
        self._visit.end()
        self._session.hold.stop()

    def _new_visit(self) -> Visit:
        return Visit(self._session, limit_seconds=self._limit_seconds)

    def _conclusion(self, judge: Callable[[], Outcome], undo: UndoCall) -> Conclusion:
        return Conclusion(
            self._session,
            self._visit,
            judge=judge,
            undo=undo,
            policy=self._policy,
            ttl_seconds=self._ttl_seconds,
        )

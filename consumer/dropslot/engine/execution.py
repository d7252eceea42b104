"""Takes one run from its start to its written outcome."""

import asyncio
from collections.abc import Awaitable, Mapping
from functools import partial
from logging import getLogger
from typing import TYPE_CHECKING, Final

import msgspec

from dropslot.core.errors import Reject, RetryLater
from dropslot.core.item import State
from dropslot.core.policy import (
    KILLED_ITS_WORKER,
    MAX_STARTS,
    Done,
    Ending,
    Failed,
    Outcome,
    Raised,
    Returned,
    Waiting,
)
from dropslot.core.request import Request
from dropslot.core.transitions import clear, settle, suspect
from dropslot.engine.options import ShardOptions
from dropslot.engine.ports import Clock, Counters, Runner, WriteResult
from dropslot.engine.run import Run
from dropslot.engine.writer import Writer

if TYPE_CHECKING:
    # Only where a handler takes steps: others needn't load them.
    from dropslot.engine.steps.stepping import SteppedRun, Stepping

_log: Final = getLogger(__name__)

#: Key of the runner for types without one of their own.
ANY_TYPE: Final = "*"

#: What an item that can take no other outcome any more is failed with.
LAST_RESORT_ERROR: Final = "settled, but the item has no room for its outcome"


class Execution:
    """Calls handlers and writes what comes of it.

    Args:
        runners: what calls the handler, by type of request, or `ANY_TYPE`.
        writer: takes the outcomes.
        clock: time.
        counters: where events are counted.
        options: policy and limits.
        stepping: runs requests whose handlers take steps; None if none does.
    """

    def __init__(
        self,
        *,
        runners: Mapping[str, Runner],
        writer: Writer,
        clock: Clock,
        counters: Counters,
        options: ShardOptions,
        stepping: "Stepping | None" = None,
    ) -> None:
        self._runners = runners
        self._writer = writer
        self._clock = clock
        self._counters = counters
        self._options = options
        self._stepping = stepping
        if stepping is None and any(runner.stepped is not None for runner in runners.values()):
            raise ValueError("a handler takes steps, and there is no journal for them")
        self._abandoned = False

    def abandon(self) -> None:
        """Make no further tries in process."""
        self._abandoned = True

    async def execute(self, run: Run) -> Ending | None:
        """Run a request and write its outcome.

        Returns:
            How the handler ended, None if it wasn't called.
        """
        runner = self._runners.get(run.accepted.type) or self._runners.get(ANY_TYPE)
        run.steps = self._start_steps(run, runner)
        try:
            if run.is_suspect and not await self._count_start(run):
                return None
            ending = await self._call(run, runner)
            outcome = await self._outcome(run, ending)
        except BaseException:
            if run.steps is not None:
                run.steps.close()
            raise
        await self._conclude(run, outcome)
        return ending

    async def _conclude(self, run: Run, outcome: Outcome | None) -> None:
        if outcome is None:
            self._counters.add("superseded")
        else:
            await self._settle(run, outcome)

    async def settle_late(self, run: Run, late: Awaitable[Ending]) -> None:
        """Take the success of a handler that passed its limit, unless the request was settled meanwhile."""
        # A shard that is closed gives up on it, but the runner still waits for it: it may hang for ever.
        ending = await asyncio.shield(late)
        if not isinstance(ending, Returned):
            return
        judge = partial(self._judge, run.state, ending)
        outcome = judge() if run.steps is None else await run.steps.late_outcome(judge)
        if isinstance(outcome, Done):
            self._counters.add("late")
            await self._write(run.state, outcome)

    async def take_back_start(self, run: Run) -> None:
        """Uncount a start, once, also one in the making: the process ends in order, and not because of this request."""
        state = run.state
        if run.counting is not None:
            # Writes of one request keep their order: the count is written by then, or this is refused.
            state = _counted(run.counting)
        run.counting, run.counted = None, False
        await self._writer.write(clear(state, now_ms=self._clock.now_ms()))

    def _start_steps(self, run: Run, runner: Runner | None) -> "SteppedRun | None":
        stepped = runner.stepped if runner is not None else None
        if self._stepping is None or stepped is None:
            return None
        policy, ttl_seconds = self._options.policy, self._options.ttl_seconds
        return self._stepping.start(run.state, stepped, policy=policy, ttl_seconds=ttl_seconds)

    async def _count_start(self, run: Run) -> bool:
        """Count the start of a suspect; False if it must not run."""
        self._counters.add("suspects")
        if run.state.starts + 1 >= MAX_STARTS:
            _log.error("request_killed_its_worker", extra=_about(run.state))
            if not await self._is_to_undo(run):
                return False
        while True:
            run.counting = state = run.state
            result = await self._writer.write(suspect(state, now_ms=self._clock.now_ms()))
            taken_back, run.counting = run.counting is None, None
            if result is not WriteResult.REFUSED:
                # Written, or the item has no room for the count: then it runs uncounted rather than never.
                run.counted = result is WriteResult.APPLIED and not taken_back
                if run.counted:
                    run.state = msgspec.structs.replace(run.state, starts=_counted(state).starts, suspected=True)
                return True
            if run.state is state:
                self._counters.add("superseded")
                if run.steps is not None:
                    run.steps.close()
                return False
            # A redrive joined meanwhile: count for the attempt it has made.

    async def _is_to_undo(self, run: Run) -> bool:
        """Fail a request that killed its worker; True if its handler must first show how its steps are undone."""
        if run.steps is None:
            await self._settle(run, Failed(KILLED_ITS_WORKER))
            return False
        # Three deaths more while it is being undone are enough, too.
        at_once = run.state.starts + 1 >= 2 * MAX_STARTS
        goes_on, outcome = await run.steps.condemn(KILLED_ITS_WORKER, at_once=at_once)
        if not goes_on:
            await self._conclude(run, outcome)
        return goes_on

    async def _call(self, run: Run, runner: Runner | None) -> Ending:
        policy = self._options.policy
        if runner is None:
            # A deployment may be under way, so it waits for its handler instead of failing.
            return Raised(RetryLater(f"no handler is configured for type {run.accepted.type!r}"))
        tries = 0
        while True:
            try:
                request = Request.from_accepted(run.accepted, run.state.attempt)
            except Reject as reject:
                return Raised(reject)
            self._counters.add("handler_runs")
            ending = await (runner.call(request) if run.steps is None else run.steps.call(request))
            tries += 1
            pause = policy.pause_before_next_try(ending, tries)
            if pause is None or self._abandoned or (run.steps is not None and run.steps.is_over(ending)):
                return ending
            await self._clock.sleep(pause)

    async def _outcome(self, run: Run, ending: Ending) -> Outcome | None:
        """Return what a run comes to; None if another worker has the request."""
        judge = partial(self._judge, run.state, ending)
        try:
            if run.steps is None:
                outcome: Outcome | None = judge()
            else:
                request = Request.from_accepted(run.accepted, run.state.attempt)
                outcome = await run.steps.outcome(request, ending, judge)
        except Reject as reject:  # such a body reached no handler
            outcome = Failed(str(reject))
        if isinstance(outcome, Waiting) and not outcome.ended and run.counted:
            run.state, run.counted = msgspec.structs.replace(run.state, starts=run.state.starts - 1), False
        if outcome is not None and not isinstance(outcome, Done):
            # The error's text may quote the payload: it goes to the item, its type to the log.
            kind = type(ending.error).__name__ if isinstance(ending, Raised) else type(ending).__name__
            event = "request_failed" if isinstance(outcome, Failed) else "request_waiting"
            _log.warning(event, extra=_about(run.state) | {"reason": kind})
        return outcome

    def _judge(self, state: State, ending: Ending) -> Outcome:
        try:
            return self._options.policy.judge(state, ending)
        except Exception as wrong:  # noqa: BLE001 - a user's classes of errors and values may do anything when looked at
            return Failed(f"how the handler ended can't be read: {type(wrong).__name__}")

    async def _settle(self, run: Run, outcome: Outcome) -> None:
        """Write an outcome; if the item has no room for it, write less."""
        if not isinstance(outcome, Done):
            # A redrive that comes while such a write is under way needs a run of its own: either the write is refused,
            # or it was made before the redrive. A success settles the later attempt as well.
            run.joinable = False
        left: Outcome | None = outcome
        while left is not None:
            result = await self._write(run.state, left)
            if result in {WriteResult.APPLIED, WriteResult.REFUSED}:
                return
            _log.warning("outcome_no_room", extra=_about(run.state) | {"why": result.value})
            left = _smaller(left)
        self._counters.add("unwritable")
        _log.error("outcome_unwritable", extra=_about(run.state))

    async def _write(self, state: State, outcome: Outcome) -> WriteResult:
        write = settle(state, outcome, now_ms=self._clock.now_ms(), ttl_seconds=self._options.ttl_seconds)
        result = await self._writer.write(write)
        if result is WriteResult.APPLIED:
            self._counters.add(write.transition)
        elif result is WriteResult.REFUSED:
            self._counters.add("superseded")
        return result


def _about(state: State) -> dict[str, object]:
    return {"request_id": state.id, "attempt": state.attempt}


def _counted(state: State) -> State:
    """Return a state with one more start counted."""
    return msgspec.structs.replace(state, starts=state.starts + 1)


def _smaller(outcome: Outcome) -> Outcome | None:
    """Return the next smaller form of an outcome, None after the smallest."""
    if isinstance(outcome, Done):
        return Done(None) if outcome.result is not None else None
    if isinstance(outcome, Failed):
        return Failed(LAST_RESORT_ERROR) if outcome.error != LAST_RESORT_ERROR else None
    return Waiting("", outcome.after_ms, outcome.counts, outcome.ended) if outcome.last_error else None

"""How a run with steps ends: the journal is closed first, then the request gets that outcome."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

import msgspec

from dropslot.core import journal_writes as writes
from dropslot.core.errors import JournalFullError
from dropslot.core.journal import OUTLIVES_SECONDS, Step
from dropslot.core.leftovers import without_leftovers
from dropslot.core.policy import Done, Ending, Failed, Outcome, Policy, Raised, Returned, TimedOut, Waiting, describe
from dropslot.engine.steps.interrupt import Interrupt, Turned
from dropslot.engine.steps.session import Session
from dropslot.engine.steps.visit import NOTHING_UNDONE, Undo, Visit

#: The `last_error` of a request that an operator has put in again while something of it was still to be undone.
ANEW: Final = "undone; it runs anew"

#: Has steps undone; returns how that ended and what it came to.
UndoCall: TypeAlias = Callable[[list[Undo]], Awaitable[tuple[Ending, Visit]]]


class Conclusion:
    """Ends one run.

    Args:
        session: its journal.
        visit: the last call of its handler.
        judge: judges how that ended.
        undo: has steps undone.
        policy: knows the retry schedule.
        ttl_seconds: how long a done request is kept.
    """

    def __init__(
        self,
        session: Session,
        visit: Visit,
        *,
        judge: Callable[[], Outcome],
        undo: UndoCall,
        policy: Policy,
        ttl_seconds: int,
    ) -> None:
        self._session = session
        self._visit = visit
        self._judge = judge
        self._undo = undo
        self._policy = policy
        self._ttl_seconds = ttl_seconds

    async def outcome(self, ending: Ending) -> Outcome | None:
        """Return the outcome to write; None if another worker has the request.

        Args:
            ending: of the handler's last call.
        """
        try:
            return await self._outcome(ending)
        except Interrupt as interrupt:  # the claim was lost just now, or couldn't be had
            return interrupt.outcome

    async def late_outcome(self) -> Outcome | None:
        """Take the success of a handler that passed its limit, if nobody has claimed the request since."""
        session, visit = self._session, self._visit
        outcome = self._judge()
        if session.entry is None and await self._is_begun():
            return None
        is_void = visit.interrupt is not None or visit.misuse is not None or session.turned is not None
        if is_void or visit.not_begun or not isinstance(outcome, Done):
            return None
        try:
            return await self._done(outcome)
        except Interrupt:
            return None

    async def _is_begun(self) -> bool:
        try:
            return await self._session.find() is not None
        except Interrupt:
            return True

    async def _outcome(self, ending: Ending) -> Outcome | None:
        session, visit = self._session, self._visit
        # As it ended: what is still under way may come to a next step from here on, which is refused.
        interrupt, misuse = visit.interrupt, visit.misuse
        visit.end()
        await session.settle()
        if interrupt is not None and not isinstance(interrupt, Turned):
            await session.hold.release()
            return interrupt.outcome
        if interrupt is not None:
            return await self._undone()
        if misuse is not None and session.turned is None:
            return await self._failed_as_it_is(str(misuse))
        return await self._judged(ending)

    async def _judged(self, ending: Ending) -> Outcome | None:
        session, visit = self._session, self._visit
        outcome = self._judge()
        if isinstance(outcome, Waiting):
            return await self._waiting(outcome, ending)
        if visit.under_way and session.turned is None and not isinstance(ending, TimedOut):
            return await self._misused(f"the handler ended while step {visit.under_way!r} was under way: wait for each")
        if isinstance(outcome, Failed):
            return await self._failed(outcome)
        if visit.not_begun and session.turned is None:
            return await self._misused(
                f"the handler returned, and step {visit.not_begun[0]!r} had not begun: await steps.run(...)"
            )
        return await self._done(outcome)

    async def _waiting(self, outcome: Waiting, ending: Ending) -> Outcome | None:
        session, visit = self._session, self._visit
        if session.turned is not None and not visit.unknown() and not isinstance(ending, TimedOut):
            return await self._undone()  # it has shown all of it, whatever became of it then
        may_come_back = isinstance(ending, TimedOut) and ending.late is not None
        if session.entry is not None and (visit.under_way or may_come_back):
            # What is under way may still be noted, until the lease ends: it is kept, if nobody has taken it.
            await session.hold.renew()
            session.hold.stop_renewing()
        else:
            await session.hold.release()
        return outcome

    async def _done(self, outcome: Done) -> Outcome | None:
        session, visit = self._session, self._visit
        if session.entry is None:
            if await session.find() is None:
                return outcome
            await session.claim()  # it came to none of the steps that it had begun with before
        if session.turned is not None:  # it returned before it came to what was never finished
            return await self._undone()
        if visit.unknown():
            step = visit.unknown()[0]
            return await self._misused(
                f"the handler returned after {visit.asked} steps, and had run {step.name!r} after these before: "
                "steps of requests that are half-way can't be renamed, reordered or removed"
            )
        ttl = session.clock.now_ms() // 1000 + self._ttl_seconds + OUTLIVES_SECONDS
        await session.hold.expire_earlier(ttl)
        try:
            await session.hold.end(partial(writes.close_done, result=outcome.result, ttl=ttl))
        except JournalFullError:
            return await self._misused("the journal of its steps has no room for the handler's result")
        return outcome

    async def _misused(self, text: str) -> Outcome:
        """Fail a request for what its handler does wrong."""
        return await self._failed_as_it_is(f"{text}. {NOTHING_UNDONE}")

    async def _failed_as_it_is(self, error: str) -> Outcome:
        """Fail a request and undo nothing: a retry goes on behind what is finished."""
        return Failed(error) if self._session.entry is None else await self._session.close_failed(error)

    async def _failed(self, outcome: Failed) -> Outcome | None:
        session, visit = self._session, self._visit
        if session.entry is None:
            if await session.find() is None:
                return outcome
            await session.claim()
        if session.turned is not None:  # before: the handler was only to show its steps, and this is why it didn't
            return await self._undone(missed=f": {visit.misuse or outcome.error}".removesuffix(f". {NOTHING_UNDONE}"))
        if not visit.undos and not visit.unknown():
            return await self._failed_as_it_is(outcome.error)
        await session.turn(outcome.error)
        return await self._undone()

    async def _undone(self, *, missed: str = "") -> Outcome | None:
        """Undo what is left.

        Args:
            missed: why the handler hasn't come to all of its finished steps, behind a colon; "" if nobody knows.
        """
        session, visit = self._session, self._visit
        # What couldn't be undone since an operator last asked for it isn't tried again.
        while undos := [undo for undo in visit.left() if _is_open(session.steps[undo.index])]:
            ending, undo_visit = await self._undo(undos)
            undo_visit.end()
            if undo_visit.interrupt is not None:
                await session.hold.release()
                return undo_visit.interrupt.outcome
            if isinstance(ending, Returned):
                break
            why = describe(ending.error) if isinstance(ending, Raised) else "it did not return in time"
            later = self._later(ending, why)
            if later is not None:
                await self._keep_tries(ending)
                return later
            # Its schedule is used up: the others must not wait for it for ever.
            failing = next(undo for undo in undos if _is_open(session.steps[undo.index]))
            await session.not_undone(failing.index, why)
        if visit.left() or visit.unknown():
            return await self._stuck(missed)
        error = without_leftovers(_text(session.turned))
        await session.hold.end(partial(writes.close_undone, error=error))
        session.counters.add("undone")
        if session.entry is not None and session.state.rerun > session.entry.began:
            return Waiting(ANEW, 0, counts=False)
        return Failed(error)

    async def _keep_tries(self, ending: Ending) -> None:
        """Count a failure to undo, and let go of the journal, unless an undo may still be at work."""
        tries = self._undo_tries + 1
        if isinstance(ending, TimedOut):
            await self._session.hold.write(partial(writes.renew, undo_tries=tries))
            self._session.hold.stop_renewing()
        else:
            await self._session.hold.release(undo_tries=tries)

    @property
    def _undo_tries(self) -> int:
        return self._session.entry.undo_tries if self._session.entry is not None else 0

    def _later(self, ending: Ending, why: str) -> Waiting | None:
        """Return the wait of a request whose undo met an error that may pass; None once the schedule is used up."""
        after_seconds = getattr(ending.error, "after_seconds", None) if isinstance(ending, Raised) else None
        state = msgspec.structs.replace(self._session.state, tries=self._undo_tries)
        later = self._policy.later(state, f"undo: {why}", after_seconds)
        return Waiting(later.last_error, later.after_ms, counts=False) if isinstance(later, Waiting) else None

    async def _stuck(self, missed: str) -> Outcome:
        """Fail a request of which something is left."""
        session, visit = self._session, self._visit
        steps = session.steps
        left = [f"{undo.plan.name} ({steps[undo.index].undo_error})" for undo in visit.left()]
        unknown = visit.unknown()
        for step in unknown:
            why = missed if step is unknown[-1] else ""  # told once: of the last one, which stands first
            left.insert(0, f"{step.name} (the handler didn't come to it{why})")
        return await session.close_stuck(_text(session.turned), left)


def _is_open(step: Step) -> bool:
    """Tell whether it is neither undone nor known that it can't be."""
    return not step.undone_at and not step.undo_error


def _text(error: str | None) -> str:
    return error if error is not None else ""

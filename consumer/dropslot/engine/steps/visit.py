"""One call of a handler with steps, or of their undos: what it has come to, and whether it may go on."""

import threading
from typing import Any, Final

import msgspec

from dropslot.core.errors import JournalFullError, StepsMisusedError
from dropslot.core.journal import Step
from dropslot.core.policy import Waiting
from dropslot.engine.steps.interrupt import Interrupt, Turned
from dropslot.engine.steps.plan import Plan
from dropslot.engine.steps.session import RESULTS_MAX_BYTES, STEPS_MAX, Session

#: Of its time limit a handler needs this part for the next step, and for what comes after the last one.
_LEAST_LEFT: Final = 0.5
PARKED: Final = "between two steps: the handler's time was half used up"
NOTHING_UNDONE: Final = "Nothing was undone: mend the handler, then retry the request."


class Undo(msgspec.Struct, frozen=True):
    """A finished step that can be undone.

    Args:
        index: of the step.
        plan: as the handler asks for it.
        result: what the step returned.
    """

    index: int
    plan: Plan
    result: Any


class Visit:
    """One call. The thread or task that is called and the engine's loop use it in turns.

    Args:
        session: the run's journal.
        limit_seconds: the time limit of the call.
    """

    def __init__(self, session: Session, *, limit_seconds: float) -> None:
        self.session: Final = session
        self.limit_seconds: Final = limit_seconds
        #: What has ended the run, whatever the handler made of it.
        self.interrupt: Interrupt | None = None
        self.misuse: StepsMisusedError | None = None
        #: The error of a step that was tried as often as its policy says.
        self.tried: BaseException | None = None
        #: How many finished steps the handler has come to.
        self.asked = 0
        #: Those among them that can be undone, in order.
        self.undos: list[Undo] = []
        #: Steps that were asked for and have not begun.
        self.not_begun: list[str] = []
        self._entering = threading.Lock()
        self._names: set[str] = set()
        #: The step whose error went to the handler.
        self._raised = ""
        self._under_way = ""
        self._kept = 0
        self._until_ms = session.clock.now_ms() + 1000 * limit_seconds
        self._over = False

    @property
    def under_way(self) -> str:
        """The step that is under way; "" if none is."""
        return self._under_way

    def end(self) -> None:
        """Let it begin nothing more. A step that is under way may still be noted as finished."""
        self._over = True

    def asks_for(self, name: str) -> None:
        """Note that the handler has asked for a step which begins only once it is awaited."""
        self.not_begun.append(name)

    def enter(self, plan: Plan) -> None:
        """Check that the handler may come to this step now.

        Raises:
            Interrupt: the run is over.
            StepsMisusedError: it may not.
        """
        with self._entering:  # a handler's own threads may come at once
            self._enter(plan)

    def _enter(self, plan: Plan) -> None:
        if plan.name in self.not_begun:
            self.not_begun.remove(plan.name)
        if self.interrupt is not None:
            raise self.interrupt
        if self.misuse is not None:  # the handler has caught it
            raise self.misuse
        if self._over:
            # Noted as well: a handler that passed its limit may make a success of it.
            self.misuse = StepsMisusedError(f"step {plan.name!r}: its handler has ended; run steps before it returns")
            raise self.misuse
        if self._under_way:
            raise self.misused(
                f"step {plan.name!r} was begun while step {self._under_way!r} was under way: steps are run one after "
                "the other, and not inside one another"
            )
        try:
            plan.check(limit_seconds=self.limit_seconds)
        except StepsMisusedError as wrong:
            raise self.misused(str(wrong)) from None
        if self._raised:
            raise self.misused(
                f"step {plan.name!r} was begun after step {self._raised!r} had raised, which is not kept: let a step's "
                "error end the handler, or catch it in the step's function and return what came of it"
            )
        if plan.name in self._names:
            raise self.misused(f"two steps are called {plan.name!r}: each needs a name of its own")
        self._names.add(plan.name)
        self._under_way = plan.name

    def leave(self) -> None:
        """Note that a step is over, however it ended."""
        self._under_way = ""

    def gives_up(self, error: BaseException) -> None:
        """Note the error of a step that isn't tried any more; it goes to the handler."""
        self.tried = error
        self._raised = self._under_way

    async def claim(self) -> None:
        """Claim the journal.

        Raises:
            Interrupt: the run is over.
        """
        try:
            await self.session.claim()
            if self._over:  # for which the claim came too late
                await self.session.hold.release()
        except Interrupt as interrupt:
            raise self.interrupted(interrupt) from None
        self.go_on()

    def stored(self, plan: Plan) -> Step | None:
        """Return the step if it is finished, for `came_to`; None if it is to be run.

        Raises:
            Interrupt: nothing is to be run any more, or not now.
            StepsMisusedError: the journal knows another step here.
        """
        session = self.session
        if self.asked < len(session.steps) and session.steps[self.asked].name == plan.name:
            return session.steps[self.asked]
        if session.turned is not None:
            raise self.interrupted(Turned())
        if self.asked < len(session.steps):
            raise self.misused(
                f"step {self.asked + 1} of this request was {session.steps[self.asked].name!r} when it was last run, "
                f"and is {plan.name!r} now: steps of requests that are half-way can't be renamed, reordered or removed"
            )
        self._use_time(plan.timeout_seconds)
        return None

    def came_to(self, plan: Plan, result: Any) -> None:
        """Note that the handler has come to a finished step, and so how it is undone."""
        if plan.undo is not None:
            self.undos.append(Undo(self.asked, plan, result))
        self.asked += 1

    async def finish(self, plan: Plan, text: str, result: Any) -> None:
        """Note that a step is finished.

        Args:
            plan: the step.
            text: its result, as JSON.
            result: the same, as the handler gets it.

        Raises:
            Interrupt: another worker has the request.
            StepsMisusedError: the journal has no room for it.
        """
        try:
            await self.session.finish(plan.name, text)
        except JournalFullError:
            raise self.misused(
                f"step {plan.name!r}: it ran, but its result can't be kept: a request can have {STEPS_MAX} steps, and "
                f"{RESULTS_MAX_BYTES} bytes of results as JSON"
            ) from None
        except Interrupt as interrupt:
            raise self.interrupted(interrupt) from None
        # Here, not where the handler goes on: it may be cut off just now, and the step is kept.
        self._kept += 1
        self.came_to(plan, result)

    def left(self) -> list[Undo]:
        """Return what can be undone and isn't, the last step first."""
        return [undo for undo in reversed(self.undos) if not self.session.steps[undo.index].undone_at]

    def unknown(self) -> list[Step]:
        """Return finished steps that the handler hasn't come to: nobody knows how they are undone."""
        return [step for step in self.session.steps[self.asked :] if not step.undone_at]

    def enter_undo(self) -> None:
        """Check that another step may be undone now.

        Raises:
            Interrupt: not now.
        """
        self._use_time(None)

    async def undone(self, undo: Undo) -> None:
        """Note that a step is undone.

        Raises:
            Interrupt: another worker has the request.
        """
        try:
            await self.session.undone(undo.index)
        except Interrupt as interrupt:
            raise self.interrupted(interrupt) from None
        self._kept += 1

    async def not_undone(self, undo: Undo, error: str) -> None:
        """Note why a step can't be undone.

        Raises:
            Interrupt: another worker has the request.
        """
        try:
            await self.session.not_undone(undo.index, error)
        except Interrupt as interrupt:
            raise self.interrupted(interrupt) from None
        self._kept += 1

    async def renew(self) -> None:
        """Renew the lease.

        Raises:
            Interrupt: another worker has the request.
        """
        try:
            await self.session.hold.renew()
        except Interrupt as interrupt:
            raise self.interrupted(interrupt) from None

    async def pause(self, seconds: float) -> None:
        """Wait before another try."""
        await self.session.clock.sleep(seconds)

    def go_on(self) -> None:
        """Check that the call wasn't given up.

        Raises:
            Interrupt: it was.
        """
        if self._over:
            raise self.interrupted(Interrupt("the call was given up", None))

    def interrupted(self, interrupt: Interrupt) -> Interrupt:
        """Note what has ended the run."""
        self.interrupt = interrupt
        return interrupt

    def misused(self, text: str) -> StepsMisusedError:
        """Note what the handler does wrong."""
        self.misuse = StepsMisusedError(f"{text}. {NOTHING_UNDONE}")
        return self.misuse

    def _use_time(self, seconds: float | None) -> None:
        """Check that enough time is left to begin something; there is until something of this call is kept.

        Raises:
            Interrupt: not now.
        """
        least_seconds = seconds if seconds is not None else _LEAST_LEFT * self.limit_seconds
        if self._kept and self._until_ms - self.session.clock.now_ms() < 1000 * least_seconds:
            raise self.interrupted(Interrupt(PARKED, Waiting(PARKED, 0, counts=False)))

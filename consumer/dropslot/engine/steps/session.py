"""The journal of one run of a request, as the worker that runs it has it."""

import asyncio
from functools import partial
from typing import Any, Final

import msgspec

from dropslot.core import journal_writes as writes
from dropslot.core.errors import JournalFullError
from dropslot.core.item import State
from dropslot.core.journal import Entry, Step
from dropslot.core.leftovers import with_leftovers
from dropslot.core.policy import Failed
from dropslot.engine.ports import Clock
from dropslot.engine.steps.claim import Hold
from dropslot.engine.steps.interrupt import Interrupt

#: What a journal may hold, names counted: with the reasons of undos that failed (`UNDO_ERROR_MAX_BYTES` each) and the
#: handler's own result it fits an item of 400 KB.
RESULTS_MAX_BYTES: Final = 200_000
STEPS_MAX: Final = 250


class Session:
    """One run's journal. It makes no call before the handler's first step.

    Args:
        state: the request as it is run.
        hold: of its journal.
        clock: time.
    """

    def __init__(self, state: State, hold: Hold, *, clock: Clock) -> None:
        self.state: Final = state
        self.hold: Final = hold
        self.counters: Final = hold.counters
        self.clock: Final = clock
        #: As it was claimed; None before.
        self.entry: Entry | None = None
        self.steps: list[Step] = []
        #: Why it is being undone; None while it isn't.
        self.turned: str | None = None
        self._finishing = asyncio.Lock()

    async def find(self) -> Entry | None:
        """Return the journal of this request's last run if there is anything to heed; None if there isn't.

        Raises:
            Interrupt: it can't be reached.
        """
        entry = await self.hold.find(self.state)
        return entry if entry is not None and (entry.steps or entry.owner or entry.undoing or entry.closed) else None

    async def settle(self) -> None:
        """Wait until what is just being noted as finished is noted, or isn't."""
        async with self._finishing:
            pass

    async def claim(self) -> None:
        """Claim the journal.

        Raises:
            Interrupt: this run is over before it has begun.
        """
        self.entry = entry = await self.hold.take(self.state)
        self.steps = list(entry.steps)
        if entry.undoing:
            self.turned = entry.error

    async def condemn(self, error: str, *, at_once: bool) -> None:
        """Claim the journal of a request that fails whatever its handler does; what is finished is left to undo.

        Args:
            error: why.
            at_once: nothing more is to be undone, either.

        Raises:
            Interrupt: with the outcome, if there is nothing to undo; or this worker has nothing to do here, or not now.
        """
        await self.claim()
        if not self.steps:
            raise Interrupt("nothing is to be undone", await self.close_failed(error))
        if self.turned is None:
            await self.turn(error)
        left = [step.name for step in reversed(self.steps) if not step.undone_at]
        if at_once and left:
            raise Interrupt("what is left stays", await self.close_stuck(error, left))

    async def close_failed(self, error: str) -> Failed:
        """Close the journal of a run that fails with nothing undone.

        Raises:
            Interrupt: the claim is lost.
        """
        await self.hold.end(partial(writes.close_failed, error=error))
        return Failed(error)

    async def close_stuck(self, error: str, left: list[str]) -> Failed:
        """Close the journal of a run that fails with something left.

        Args:
            error: why it fails.
            left: what isn't undone, and why.

        Raises:
            Interrupt: the claim is lost.
        """
        error = with_leftovers(error, left)
        await self.hold.end(partial(writes.close_stuck, error=error))
        self.counters.add("not_undone")
        return Failed(error)

    async def turn(self, error: str) -> None:
        """Turn to undoing, for good.

        Raises:
            Interrupt: the claim is lost.
        """
        async with self._finishing:  # or a step that is just being noted would be left out of what is undone
            await self.hold.write(partial(writes.turn, error=error))
            self.turned = error

    async def finish(self, name: str, result: str) -> None:
        """Note that a step is finished.

        Raises:
            Interrupt: the claim is lost.
            JournalFullError: there is no room for it.
        """
        async with self._finishing:
            if self.turned is not None:  # it passed its limit, and the request has failed meanwhile
                raise Interrupt("it is being undone", None)
            step = Step(name=name, result=result, at=self.clock.now_ms())
            if len(self.steps) >= STEPS_MAX or _size([*self.steps, step]) > RESULTS_MAX_BYTES:
                raise JournalFullError
            await self.hold.write(partial(writes.finish, index=len(self.steps), step=step))
            self.steps.append(step)

    async def undone(self, index: int) -> None:
        """Note that a step is undone.

        Raises:
            Interrupt: the claim is lost.
        """
        at_ms = self.clock.now_ms()
        await self.hold.write(partial(writes.undone, index=index, at_ms=at_ms))
        self._mark(index, undone_at=at_ms)

    async def not_undone(self, index: int, error: str) -> None:
        """Note why a step can't be undone.

        Raises:
            Interrupt: the claim is lost.
        """
        await self.hold.write(partial(writes.not_undone, index=index, error=error))
        self._mark(index, undo_error=error)

    def _mark(self, index: int, **marks: Any) -> None:
        self.steps[index] = msgspec.structs.replace(self.steps[index], **marks)


def _size(steps: list[Step]) -> int:
    return sum(len(step.result.encode()) + len(step.name.encode()) for step in steps)

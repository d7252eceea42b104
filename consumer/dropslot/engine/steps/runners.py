"""Calling handlers that take steps: as others are, in threads and on a loop."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from dropslot.core.policy import Ending
from dropslot.core.request import Request
from dropslot.engine.handler import Handler
from dropslot.engine.ports import Runner, SteppedRunner
from dropslot.engine.runners import LoopRunner, ThreadRunner
from dropslot.engine.steps.steps import AsyncSteps, Steps
from dropslot.engine.steps.threads import StepThreads
from dropslot.engine.steps.visit import Undo, Visit


def make_stepped_runner(handler: Handler, *, limit_seconds: float) -> Runner:
    """Return the runner that fits a handler with steps.

    Args:
        handler: what to call.
        limit_seconds: how long one call may take.
    """
    kind = SteppedLoopRunner if handler.is_async else SteppedThreadRunner
    return kind(handler.function, limit_seconds=limit_seconds)


class SteppedThreadRunner(ThreadRunner):
    """Calls a plain handler with its steps."""

    def __init__(self, function: Callable[..., Any], *, limit_seconds: float) -> None:
        super().__init__(function, limit_seconds=limit_seconds)
        self._step_threads = StepThreads()

    @property
    def lost(self) -> int:
        """See `Runner.lost`; steps that passed a limit of their own count, too."""
        return super().lost + self._step_threads.lost

    @property
    def stepped(self) -> SteppedRunner:
        """See `Runner.stepped`."""
        return self

    async def call_with(self, request: Request, visit: Visit) -> Ending:
        """See `SteppedRunner.call_with`."""
        return await self._run(partial(self._function, request, self._steps(visit)), request)

    async def undo(self, request: Request, visit: Visit, undos: list[Undo]) -> Ending:
        """See `SteppedRunner.undo`."""
        return await self._run(partial(self._steps(visit).undo, undos), request)

    def _steps(self, visit: Visit) -> Steps:
        return Steps(visit, asyncio.get_running_loop(), self._step_threads)


class SteppedLoopRunner(LoopRunner):
    """Calls an async handler with its steps."""

    def __init__(self, function: Callable[..., Any], *, limit_seconds: float) -> None:
        super().__init__(function, limit_seconds=limit_seconds)
        self._step_threads = StepThreads()

    @property
    def lost(self) -> int:
        """See `Runner.lost`; plain functions among the steps that passed a limit count, too."""
        return super().lost + self._step_threads.lost

    @property
    def stepped(self) -> SteppedRunner:
        """See `Runner.stepped`."""
        return self

    async def call_with(self, request: Request, visit: Visit) -> Ending:
        """See `SteppedRunner.call_with`."""
        return await self._run(partial(self._function, request, self._steps(visit)), request)

    async def undo(self, request: Request, visit: Visit, undos: list[Undo]) -> Ending:
        """See `SteppedRunner.undo`."""
        return await self._run(partial(self._steps(visit).undo, undos), request)

    def _steps(self, visit: Visit) -> AsyncSteps:
        return AsyncSteps(visit, asyncio.get_running_loop(), self._step_threads)

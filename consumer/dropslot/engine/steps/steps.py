"""What a handler gets: `steps.run`, for handlers in threads and for those on a loop."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import wait
from typing import Any, Final, TypeVar, overload

from dropslot.core.errors import StepsMisusedError, StepTimeoutError
from dropslot.core.step_policy import StepPolicy
from dropslot.engine.context import current_step
from dropslot.engine.steps.flow import Call, Flow, running, undoing
from dropslot.engine.steps.plan import Plan
from dropslot.engine.steps.threads import StepThreads
from dropslot.engine.steps.visit import Undo, Visit

T = TypeVar("T")


class Steps:
    """Durable steps of a plain handler: `def handle(request, steps)`.

    Args:
        visit: the call.
        loop: the engine's.
        threads: for functions with a time limit of their own.
    """

    def __init__(self, visit: Visit, loop: asyncio.AbstractEventLoop, threads: StepThreads) -> None:
        self._visit: Final = visit
        self._loop: Final = loop
        self._threads: Final = threads

    def run(
        self,
        name: str,
        function: Callable[..., T],
        *args: Any,
        undo: Callable[..., object] | None = None,
        policy: StepPolicy | None = None,
        timeout_seconds: float | None = None,
    ) -> T:
        """Run a step once: its result is kept before this returns, and a later run of the handler gets it from there.

        A crash in the middle of a step runs it again, so hand `step_key()` to what it calls.

        Args:
            name: unique within the handler, up to 64 characters; requests that are half-way must find it again.
            function: what the step does. It returns JSON, or what its annotation makes of JSON (msgspec's types);
                up to 32 KB.
            args: what the function is called with.
            undo: takes the step back if the request fails for good: called with the result, then the same arguments.
            policy: how its errors are met; None: three tries.
            timeout_seconds: what one call of it may take, up to the time limit of handlers; None: what is left of that.

        Returns:
            What the function returned.

        Raises:
            StepTimeoutError: it passed its limit; it may still be running.
            StepsMisusedError: this step can't be run here, or its result can't be kept.
            BaseException: what the function raised at its last try.
        """
        step = Plan(
            name=name,
            function=function,
            args=args,
            undo=undo,
            policy=policy if policy is not None else StepPolicy(),
            timeout_seconds=timeout_seconds,
            is_async=False,
        )
        result: T = self._drive(running(self._visit, step))
        return result

    def undo(self, undos: list[Undo]) -> None:
        """Undo steps; for the engine.

        Raises:
            BaseException: see `undoing`.
        """
        self._drive(undoing(self._visit, undos))

    def _drive(self, flow: Flow) -> Any:
        send, given = flow.send, None
        while True:
            try:
                wanted = send(given)
            except StopIteration as end:
                return end.value
            try:
                send, given = flow.send, self._do(wanted)
            except BaseException as error:  # noqa: BLE001 - the flow decides what becomes of it
                send, given = flow.throw, error

    def _do(self, wanted: Any) -> Any:
        if isinstance(wanted, Call):
            return self._call(wanted)
        return asyncio.run_coroutine_threadsafe(wanted.work(), self._loop).result()

    def _call(self, call: Call) -> Any:
        token = current_step.set(call.key)
        try:
            value = self._call_within(call)
        finally:
            current_step.reset(token)
        if inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            raise StepsMisusedError(
                f"{call.function!r} returns an awaitable, which only an async handler can call: async def handle(...)"
            )
        return value

    def _call_within(self, call: Call) -> Any:
        if call.timeout_seconds is None:
            return call.function(*call.args)
        future = self._threads.start(call.function, call.args)
        if not wait((future,), call.timeout_seconds).done:
            self._threads.lose(future)
            raise _too_long(call.timeout_seconds)
        return future.result()


class AsyncSteps:
    """Durable steps of an async handler: `async def handle(request, steps)`.

    Args:
        visit: the call.
        loop: the engine's.
        threads: for plain functions, which would hold up the handlers' loop.
    """

    def __init__(self, visit: Visit, loop: asyncio.AbstractEventLoop, threads: StepThreads) -> None:
        self._visit: Final = visit
        self._loop: Final = loop
        self._threads: Final = threads

    @overload
    def run(
        self,
        name: str,
        function: Callable[..., Awaitable[T]],
        *args: Any,
        undo: Callable[..., object] | None = None,
        policy: StepPolicy | None = None,
        timeout_seconds: float | None = None,
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def run(
        self,
        name: str,
        function: Callable[..., T],
        *args: Any,
        undo: Callable[..., object] | None = None,
        policy: StepPolicy | None = None,
        timeout_seconds: float | None = None,
    ) -> Coroutine[Any, Any, T]: ...

    def run(
        self,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        undo: Callable[..., object] | None = None,
        policy: StepPolicy | None = None,
        timeout_seconds: float | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Run a step once; see `Steps.run`. Function and undo may be async; plain ones are called in a thread."""
        step = Plan(
            name=name,
            function=function,
            args=args,
            undo=undo,
            policy=policy if policy is not None else StepPolicy(),
            timeout_seconds=timeout_seconds,
            is_async=True,
        )
        # Not in the coroutine, which never begins if the handler forgets to await it: that must not pass for success.
        self._visit.asks_for(name)
        return self._drive(running(self._visit, step))

    async def undo(self, undos: list[Undo]) -> None:
        """See `Steps.undo`."""
        await self._drive(undoing(self._visit, undos))

    async def _drive(self, flow: Flow) -> Any:
        send, given = flow.send, None
        while True:
            try:
                wanted = send(given)
            except StopIteration as end:
                return end.value
            try:
                send, given = flow.send, await self._do(wanted)
            except BaseException as error:  # noqa: BLE001 - the flow decides what becomes of it
                send, given = flow.throw, error

    async def _do(self, wanted: Any) -> Any:
        if isinstance(wanted, Call):
            return await self._call(wanted)
        if asyncio.get_running_loop() is self._loop:
            return await wanted.work()
        work = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(wanted.work(), self._loop))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # Not cut off with the handler: what has happened is noted, before anything else is begun.
            await asyncio.wait((work,))
            raise

    async def _call(self, call: Call) -> Any:
        token = current_step.set(call.key)
        try:
            async with asyncio.timeout(call.timeout_seconds) as limit:
                if inspect.iscoroutinefunction(call.function):
                    return await call.function(*call.args)
                future = self._threads.start(call.function, call.args)
                try:
                    value = await asyncio.wrap_future(future)
                except asyncio.CancelledError:
                    self._threads.lose(future)
                    raise
                return await value if inspect.isawaitable(value) else value
        except TimeoutError:
            if limit.expired() and call.timeout_seconds is not None:
                raise _too_long(call.timeout_seconds) from None
            raise
        finally:
            current_step.reset(token)


def _too_long(seconds: float) -> StepTimeoutError:
    return StepTimeoutError(f"the step did not return within {seconds:g} s")

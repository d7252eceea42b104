"""Calling handlers: sync ones in threads, async ones on a loop of their own, or inline; each within its time limit."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from dropslot.core.policy import Ending, Raised, Returned, TimedOut
from dropslot.core.request import Request
from dropslot.engine.context import current_request
from dropslot.engine.handler import Handler
from dropslot.engine.ports import Runner, SteppedRunner

#: How long a cancelled async handler may take to let go before it counts as lost.
CANCEL_SECONDS: Final = 1.0


def make_runner(handler: Handler, *, execution: str, limit_seconds: float) -> Runner:
    """Return the runner that fits a handler.

    Args:
        handler: what to call.
        execution: ``inline``, or ``auto`` for threads or a loop by the kind of function.
        limit_seconds: how long one call may take; an inline call has no limit, since nothing could end it.
    """
    if handler.takes_steps:
        # Only here: plain handlers needn't load it. Never inline: steps wait for the engine's loop.
        from dropslot.engine.steps.runners import make_stepped_runner  # noqa: PLC0415

        return make_stepped_runner(handler, limit_seconds=limit_seconds)
    if handler.is_async:
        return LoopRunner(handler.function, limit_seconds=limit_seconds)
    if execution == "inline":
        return InlineRunner(handler.function)
    return ThreadRunner(handler.function, limit_seconds=limit_seconds)


class InlineRunner:
    """Calls the handler right here: no hand-over to pay for, and everything else waits meanwhile."""

    lost = 0
    stepped = None

    def __init__(self, function: Callable[[Request], Any]) -> None:
        self._function = function

    async def call(self, request: Request) -> Ending:
        """Call the handler."""
        return _call(partial(self._function, request), request)

    def close(self) -> None:
        """Nothing runs between calls."""


class ThreadRunner:
    """Calls the handler in daemon threads, started as needed and kept.

    A thread can't be stopped: one that passes the limit is given up and counted, and another takes its place. When
    its handler returns after all, the thread ends. So does one whose call was cancelled, which isn't counted.
    """

    def __init__(self, function: Callable[..., Any], *, limit_seconds: float) -> None:
        self._function = function
        self._limit_seconds = limit_seconds
        self._calls: queue.SimpleQueue[_ThreadCall | None] = queue.SimpleQueue()
        self._threads = 0
        self._busy = 0
        self._lost = 0

    @property
    def lost(self) -> int:
        """See `Runner.lost`."""
        return self._lost

    @property
    def stepped(self) -> SteppedRunner | None:
        """See `Runner.stepped`."""
        return None

    async def call(self, request: Request) -> Ending:
        """Hand the request to a thread and wait for it, or for the limit."""
        return await self._run(partial(self._function, request), request)

    async def _run(self, work: Callable[[], Any], request: Request) -> Ending:
        loop = asyncio.get_running_loop()
        call = _ThreadCall(work, request, loop)
        self._busy += 1
        if self._busy > self._threads:
            self._threads += 1
            threading.Thread(target=self._work, name="dropslot-handler", daemon=True).start()
        self._calls.put(call)
        try:
            await asyncio.wait((call.ending,), timeout=self._limit_seconds)
        finally:
            # Also when whoever waits is cancelled: its thread is as little to be counted on as one past the limit.
            self._busy -= 1
            given_up = call.give_up()
            self._threads -= given_up
        if not given_up:
            return await call.ending
        self._lost += 1
        call.ending.add_done_callback(self._found)
        return TimedOut(self._limit_seconds, call.ending)

    def close(self) -> None:
        """End the idle threads."""
        for _ in range(self._threads):
            self._calls.put(None)

    def _found(self, _: "asyncio.Future[Ending]") -> None:
        self._lost -= 1

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if not call.finish(_call(call.work, call.request)):
                return


class _ThreadCall:
    """One call, and who got there first: the handler's return or the limit."""

    __slots__ = ("_given_up", "_lock", "_loop", "_returned", "ending", "request", "work")

    def __init__(self, work: Callable[[], Any], request: Request, loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.request = request
        self.ending: asyncio.Future[Ending] = loop.create_future()
        self._loop = loop
        self._lock = threading.Lock()
        self._given_up = False
        self._returned = False

    def finish(self, ending: Ending) -> bool:
        """Hand the ending over, from the thread; False when the call was given up before."""
        with self._lock:
            self._returned = True
            given_up = self._given_up
        with suppress(RuntimeError):  # the loop is closed: the process is ending, and nobody waits any more
            self._loop.call_soon_threadsafe(_set, self.ending, ending)
        return not given_up

    def give_up(self) -> bool:
        """Give the call up, from the loop; False when the handler has returned."""
        with self._lock:
            self._given_up = not self._returned
            return self._given_up


class LoopRunner:
    """Calls an async handler as a task of a loop in its own thread, so that one that blocks holds up only its kind."""

    def __init__(self, function: Callable[..., Any], *, limit_seconds: float) -> None:
        self._function = function
        self._limit_seconds = limit_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        #: The loop itself holds none of its tasks: one that waits for nothing else could be collected.
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost = 0

    @property
    def lost(self) -> int:
        """See `Runner.lost`."""
        return self._lost

    @property
    def stepped(self) -> SteppedRunner | None:
        """See `Runner.stepped`."""
        return None

    async def call(self, request: Request) -> Ending:
        """Run the handler as a task; cancel it at the limit."""
        return await self._run(partial(self._function, request), request)

    async def _run(self, work: Callable[[], Any], request: Request) -> Ending:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(
                target=_run_to_end, args=(self._loop, self._tasks), name="dropslot-async-handlers", daemon=True
            ).start()
        call = _LoopCall(work, request, asyncio.get_running_loop())
        self._loop.call_soon_threadsafe(call.start, self._loop, self._tasks)
        await asyncio.wait((call.ending,), timeout=self._limit_seconds)
        if call.ending.done():
            return call.ending.result()
        self._loop.call_soon_threadsafe(call.cancel)
        asyncio.get_running_loop().call_later(CANCEL_SECONDS, self._count_if_lost, call.ending)
        # Without its ending: a handler that was cut off may return as if nothing had happened.
        return TimedOut(self._limit_seconds)

    def close(self) -> None:
        """Stop the loop."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _count_if_lost(self, ending: "asyncio.Future[Ending]") -> None:
        if not ending.done():
            self._lost += 1
            ending.add_done_callback(self._found)

    def _found(self, _: "asyncio.Future[Ending]") -> None:
        self._lost -= 1


class _LoopCall:
    """One call of an async handler: runs on the handlers' loop, its ending belongs to the engine's."""

    __slots__ = ("_engine_loop", "_request", "_task", "_work", "ending")

    def __init__(self, work: Callable[[], Any], request: Request, engine_loop: asyncio.AbstractEventLoop) -> None:
        self.ending: asyncio.Future[Ending] = engine_loop.create_future()
        self._work = work
        self._request = request
        self._engine_loop = engine_loop
        self._task: asyncio.Task[None] | None = None

    def start(self, handlers_loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[None]]) -> None:
        """Start the task, and keep it among the others; called on the handlers' loop."""
        self._task = handlers_loop.create_task(self._run())
        tasks.add(self._task)
        self._task.add_done_callback(tasks.discard)

    def cancel(self) -> None:
        """Cancel the task; called on the handlers' loop."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        current_request.set((self._request.id, self._request.attempt))
        try:
            ending: Ending = Returned(await self._work())
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its outcome, sys.exit() too
            ending = Raised(error)
        with suppress(RuntimeError):  # the engine's loop is closed: nobody waits any more
            self._engine_loop.call_soon_threadsafe(_set, self.ending, ending)


def _run_to_end(loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[None]]) -> None:
    loop.run_forever()
    for task in asyncio.all_tasks(loop) | tasks:
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def _set(future: "asyncio.Future[Ending]", ending: Ending) -> None:
    if not future.done():
        future.set_result(ending)


def _call(work: Callable[[], Any], request: Request) -> Ending:
    token = current_request.set((request.id, request.attempt))
    try:
        return Returned(work())
    except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its outcome, sys.exit() too
        return Raised(error)
    finally:
        current_request.reset(token)

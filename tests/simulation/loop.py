"""An event loop whose time is virtual and whose order is drawn: one seed is one schedule."""

import asyncio
import heapq
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final

from tests.simulation.holder import KCL, hold

#: What virtual time 0 is on the wall clock, in epoch milliseconds.
EPOCH_MS: Final = 1_760_000_000_000


class Image:
    """A process as the operating system sees it: all that runs in it ends or stands still with it.

    What runs in it is done by itself as `Holder`, unless something in it says otherwise.

    Args:
        name: for the history.
    """

    consumer = KCL

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        #: Steps left until it dies by itself, at whatever await it has reached then; negative: it doesn't.
        self.fuse = -1
        self.blow: Callable[[], None] | None = None
        self.parked: list[Handle] | None = None
        self.frozen_seconds = 0.0
        #: Whether the lease of its shard is still with its daemon.
        self.holds_lease: Callable[[], bool] = lambda: False
        self.context = copy_context()
        self.context.run(_image.set, self)
        self.context.run(hold, self)

    def has(self, request_id: str) -> bool:
        """See `Holder.has`: a shard process has all of its shard, or nothing."""
        return not self.dead and self.holds_lease()


_image: ContextVar[Image | None] = ContextVar("simulated_image", default=None)


class Handle:
    """A callback that waits for its turn."""

    __slots__ = ("args", "callback", "cancelled_", "context", "image", "when_")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context, image: Image | None, when: float
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.image = image
        self.when_ = when
        self.cancelled_ = False

    def cancel(self) -> None:
        """See `asyncio.Handle.cancel`."""
        self.cancelled_ = True

    def cancelled(self) -> bool:
        """See `asyncio.Handle.cancelled`."""
        return self.cancelled_

    def when(self) -> float:
        """See `asyncio.TimerHandle.when`."""
        return self.when_


class Loop(asyncio.BaseEventLoop):
    """Runs what is ready in an order that the random source chooses; when nothing is, time jumps.

    Args:
        source: chooses the order.
        in_order: keep asyncio's own order instead.
    """

    def __init__(self, source: random.Random, *, in_order: bool) -> None:
        # Not the parent's own: there is nothing outside to wait for.
        self._random = source.random
        self._in_order = in_order
        self._ready: list[Handle] = []
        self._timers: list[tuple[float, int, Handle]] = []
        self._order = 0
        self._now = 0.0
        self._closed = False
        self._tasks: list[asyncio.Task[Any]] = []
        self.steps = 0

    def time(self) -> float:
        """Return virtual seconds since the start."""
        return self._now

    def now_ms(self) -> int:
        """Return virtual epoch milliseconds."""
        return EPOCH_MS + int(self._now * 1000)

    def run(self, *, until: float, finished: Callable[[], bool]) -> bool:
        """Run until a condition holds, looked at whenever time moves, or until the time has come.

        Returns:
            Whether the condition holds.
        """
        asyncio.events._set_running_loop(self)
        try:
            while True:
                self._run_ready()
                if finished():
                    return True
                if not self._timers or self._timers[0][0] > until:
                    self._now = until
                    return False
                self._now = max(self._now, self._timers[0][0])
                while self._timers and self._timers[0][0] <= self._now:
                    self._ready.append(heapq.heappop(self._timers)[2])
        finally:
            asyncio.events._set_running_loop(None)

    def _run_ready(self) -> None:
        ready = self._ready
        while ready:
            if self._in_order:
                handle = ready.pop(0)
            else:
                at = int(self._random() * len(ready)) if len(ready) > 1 else 0
                handle = ready[at]
                ready[at] = ready[-1]
                ready.pop()
            if handle.cancelled_:
                continue
            image = handle.image
            if image is not None:
                if image.dead:
                    continue
                if image.parked is not None:
                    image.parked.append(handle)
                    continue
                if image.fuse >= 0:
                    image.fuse -= 1
                    if image.fuse < 0 and image.blow is not None:
                        image.blow()
                        continue
            self.steps += 1
            handle.context.run(handle.callback, *handle.args)

    def freeze(self, image: Image) -> None:
        """Let nothing of a process run until it is thawed."""
        image.parked = []

    def thaw(self, image: Image, frozen_seconds: float) -> None:
        """Let a process go on."""
        image.frozen_seconds += frozen_seconds
        self._ready.extend(image.parked or [])
        image.parked = None

    def close(self) -> None:
        """End what is still under way, so that nothing of it is reported later."""
        self._closed = True
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                coroutine = task.get_coro()
                assert isinstance(coroutine, Coroutine)
                with suppress(RuntimeError):  # it awaits on its way out, which a process that is gone doesn't do
                    coroutine.close()
            elif not task.cancelled():
                task.exception()
        self._tasks.clear()
        self._ready.clear()
        self._timers.clear()

    # What asyncio asks of a loop.

    def call_soon(  # type: ignore[override] # handles of its own
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        """See `asyncio.loop.call_soon`."""
        context = context if context is not None else copy_context()
        image = context.get(_image)
        handle = Handle(callback, args, context, image, self._now)
        if not self._closed and (image is None or not image.dead):
            self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override] # handles of its own
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        """See `asyncio.loop.call_at`."""
        context = context if context is not None else copy_context()
        image = context.get(_image)
        handle = Handle(callback, args, context, image, when)
        if not self._closed and (image is None or not image.dead):
            self._order += 1
            heapq.heappush(self._timers, (when, self._order, handle))
        return handle

    def call_later(  # type: ignore[override] # handles of its own
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        """See `asyncio.loop.call_later`."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        """See `asyncio.loop.create_future`."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None) -> asyncio.Task[Any]:
        """See `asyncio.loop.create_task`."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name="", context=context)
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        """See `asyncio.loop.get_debug`."""
        return False

    def is_closed(self) -> bool:
        """See `asyncio.loop.is_closed`."""
        return self._closed

    def is_running(self) -> bool:
        """See `asyncio.loop.is_running`."""
        return True

    def call_exception_handler(self, context: Any) -> None:
        """Say nothing: a process that was killed leaves tasks and errors behind that nobody looks at."""


class VirtualClock:
    """The engine's clock on the loop's time."""

    def __init__(self, loop: Loop) -> None:
        self.now_ms = loop.now_ms

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)

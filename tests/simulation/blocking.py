"""Lets code that blocks run on the loop: a greenlet steps aside while it waits.

So the record processor, which is written for a process that blocks on its pipes, runs here unchanged.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

from tests.simulation.loop import Image, Loop

T = TypeVar("T")


class BlockingCode:
    """A function that may block, as the main thread of a process.

    Args:
        loop: where it runs.
        image: the process; when it is replaced, set the new one.
        function: the code.
    """

    def __init__(self, loop: Loop, image: Image, function: Callable[[], None]) -> None:
        self._loop = loop
        self.image = image
        self._greenlet = greenlet(function)

    def start(self) -> None:
        """Start it with the loop's next step."""
        self._loop.call_soon(self._greenlet.switch, context=self.image.context)

    def wait(self, future: "asyncio.Future[T]") -> T:
        """Block until a future is done; called from the code."""
        if not future.done():
            future.add_done_callback(self._go_on, context=self.image.context)
            self._step_aside()
        return future.result()

    def wait_for(self, future: "asyncio.Future[T]", seconds: float) -> bool:
        """Block until a future is done or the time has passed; tell whether it is done. Called from the code."""
        if future.done():
            return True
        wake = self._loop.create_future()
        timer = self._loop.call_later(seconds, _set, wake, context=self.image.context)
        future.add_done_callback(lambda _: _set(wake), context=self.image.context)
        wake.add_done_callback(self._go_on, context=self.image.context)
        self._step_aside()
        timer.cancel()
        return future.done()

    def pause(self, seconds: float) -> None:
        """Block for a time; called from the code."""
        wake = self._loop.create_future()
        self._loop.call_later(seconds, _set, wake, context=self.image.context)
        self.wait(wake)

    def kill(self) -> None:
        """End the code where it stands; what it does on its way out is void, since its process is dead already."""
        if self._greenlet and getcurrent() is not self._greenlet:
            self._greenlet.throw(GreenletExit)

    def _step_aside(self) -> None:
        hub = self._greenlet.parent
        assert hub is not None
        hub.switch()

    def _go_on(self, _: "asyncio.Future[Any]") -> None:
        self._greenlet.switch()


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)

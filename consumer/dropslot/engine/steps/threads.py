"""Functions of the user's in threads of their own, for those that have a time limit of their own."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class StepThreads:
    """Starts threads, and counts those that passed their limit and still run: nothing can end them."""

    def __init__(self) -> None:
        self.lost = 0
        self._lock = threading.Lock()

    def start(self, function: Callable[..., Any], args: tuple[Any, ...]) -> "Future[Any]":
        """Call a function in a new thread, in the context of this one."""
        future: Future[Any] = Future()
        # Whoever waits for it may be cancelled; what runs in a thread can't be.
        future.set_running_or_notify_cancel()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                future.set_result(context.run(function, *args))
            except StopIteration as stop:  # which a future can't hold
                future.set_exception(RuntimeError(f"the step raised {stop!r}"))
            except BaseException as error:  # noqa: BLE001 - whatever it raises is the step's
                future.set_exception(error)

        threading.Thread(target=work, name="dropslot-step", daemon=True).start()
        return future

    def lose(self, future: "Future[Any]") -> None:
        """Count a call that passed its limit, until it returns."""
        self._count(1)
        future.add_done_callback(lambda _: self._count(-1))

    def _count(self, by: int) -> None:
        with self._lock:
            self.lost += by

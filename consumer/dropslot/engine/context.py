"""Which request, and which of its steps, the running code belongs to."""

from contextvars import ContextVar
from typing import Final

#: Id and attempt of the request whose handler runs in this thread or task, for log lines written by handlers.
current_request: Final[ContextVar[tuple[str, int] | None]] = ContextVar("dropslot_request", default=None)

#: The key of the step whose function runs in this thread or task.
current_step: Final[ContextVar[str | None]] = ContextVar("dropslot_step", default=None)


def step_key() -> str:
    """Return what downstream can tell this step by: the same on every try, another one in each run and in its undo.

    Raises:
        RuntimeError: no step's function, and no undo, is running here.
    """
    key = current_step.get()
    if key is None:
        raise RuntimeError("step_key() is for the functions that steps.run() calls, and for their undo")
    return key

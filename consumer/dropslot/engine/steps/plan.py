"""A step as the handler asks for it."""

import inspect
from collections.abc import Callable
from typing import Any, Final

import msgspec

from dropslot.core import names
from dropslot.core.errors import StepsMisusedError
from dropslot.core.step_policy import StepPolicy

#: Names are shown to clients and operators, and are part of the keys that downstream gets.
NAME_MAX_CHARS: Final = 64


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One step.

    Args:
        name: unique within the handler.
        function: what it does.
        args: what it is called with.
        undo: called with the result and the same arguments to take it back; None if nothing has to be.
        policy: of its tries, and of its undo's.
        timeout_seconds: what one call of it may take; None: what the handler has left.
        is_async: whether the handler is, so that function and undo may be, too.
    """

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    undo: Callable[..., Any] | None
    policy: StepPolicy
    timeout_seconds: float | None
    is_async: bool

    def check(self, *, limit_seconds: float) -> None:
        """Check what the handler asks for.

        Args:
            limit_seconds: the time limit of handlers.

        Raises:
            StepsMisusedError: it can't be run like this.
        """
        name, seconds = self.name, self.timeout_seconds
        is_name = isinstance(name, str) and 0 < len(name) <= NAME_MAX_CHARS and name.isprintable()
        if not is_name or names.ID_SEPARATOR in name:  # which would make another step's key of it
            raise StepsMisusedError(
                f"a step's name is 1 to {NAME_MAX_CHARS} printable characters other than {names.ID_SEPARATOR}; "
                f"got {name!r}"
            )
        for what, thing in (("its function", self.function), ("its undo", self.undo)):
            if thing is not None and not callable(thing):
                raise StepsMisusedError(f"step {name!r}: {what} can't be called; pass a function and its arguments")
            if not self.is_async and inspect.iscoroutinefunction(thing):
                raise StepsMisusedError(
                    f"step {name!r}: {what} is async, which only an async handler can call: async def handle(...)"
                )
        if self.undo is not None:
            self._check_takes_result(self.undo)
        if seconds is not None and not 0 < seconds <= limit_seconds:
            raise StepsMisusedError(
                f"step {name!r}: timeout_seconds={seconds!r} must be above 0 and at most the time limit of handlers, "
                f"{limit_seconds:g} s: raise DROPSLOT_HANDLER_TIMEOUT_SECONDS if it needs more"
            )

    def _check_takes_result(self, undo: Callable[..., Any]) -> None:
        # Now, not on the day it is needed: by then the step is done, and nothing can take it back.
        try:
            signature = inspect.signature(undo)
        except (TypeError, ValueError):  # some callables in C tell nothing of it
            return
        try:
            signature.bind(None, *self.args)
        except TypeError as wrong:
            raise StepsMisusedError(
                f"step {self.name!r}: its undo can't be called: {wrong}; it is given what the step returned, then the "
                f"step's own arguments ({1 + len(self.args)} in all)"
            ) from None

"""A step as the handler asks for it."""

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
    """

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    undo: Callable[..., Any] | None
    policy: StepPolicy
    timeout_seconds: float | None

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
        if seconds is not None and not 0 < seconds <= limit_seconds:
            raise StepsMisusedError(
                f"step {name!r}: timeout_seconds={seconds!r} must be above 0 and at most the time limit of handlers, "
                f"{limit_seconds:g} s: raise DROPSLOT_HANDLER_TIMEOUT_SECONDS if it needs more"
            )

"""How often a step is tried in process before its error counts."""

from typing import Final

import msgspec

from dropslot.core.errors import Reject, RetryLater
from dropslot.core.policy import IN_PROCESS_PAUSES_SECONDS

_TRIES_MAX: Final = 100
_PAUSE_MAX_SECONDS: Final = 60.0


class StepPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a step's errors are met, without running the steps before it again.

    `Reject` and `RetryLater` are never met with another try: one is final, the other asks for a later attempt. When
    the tries are used up the error is raised where the handler runs the step.

    Args:
        tries: how often the step is called in one run of the handler, 1 to 100.
        pauses_seconds: between the tries, each 0 to 60; the last one repeats.
    """

    tries: int = 3
    pauses_seconds: tuple[float, ...] = IN_PROCESS_PAUSES_SECONDS

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            ValueError: a number is out of its range.
        """
        if not 1 <= self.tries <= _TRIES_MAX:
            raise ValueError(f"tries must be from 1 to {_TRIES_MAX}; got {self.tries!r}")
        if not self.pauses_seconds or not all(0 <= pause <= _PAUSE_MAX_SECONDS for pause in self.pauses_seconds):
            raise ValueError(
                f"pauses_seconds must be one or more numbers from 0 to {_PAUSE_MAX_SECONDS:g}; "
                f"got {self.pauses_seconds!r}"
            )

    def pause_before_next_try(self, error: BaseException, tries_made: int) -> float | None:
        """Return the seconds to wait before calling the step again, or None to raise its error."""
        if not isinstance(error, Exception) or isinstance(error, (Reject, RetryLater)) or tries_made >= self.tries:
            return None
        return self.pauses_seconds[min(tries_made, len(self.pauses_seconds)) - 1]

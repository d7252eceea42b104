"""How an invocation divides its time: until when handlers are started, and when it must answer."""

from typing import Final, Self

import msgspec

from dropslot.core.errors import ConfigurationError

#: Left for the outcomes of the handlers that were started last.
WRITE_MARGIN_SECONDS: Final = 5.0
#: Left for the answer itself: an invocation that is cut off counts as a crash.
ANSWER_MARGIN_SECONDS: Final = 2.0
#: The least time in which handlers are started at all.
START_WINDOW_SECONDS: Final = 5.0


class Deadline(msgspec.Struct, frozen=True, kw_only=True):
    """The times of one invocation, in epoch milliseconds.

    Args:
        start_until_ms: a handler started later might not have its full time limit any more.
        answer_at_ms: what isn't resolved by now is reported as unresolved.
    """

    start_until_ms: float
    answer_at_ms: float

    @classmethod
    def of(cls, *, now_ms: float, remaining_ms: float, handler_limit_seconds: float) -> Self:
        """Divide the time that is left of an invocation.

        Args:
            now_ms: epoch milliseconds.
            remaining_ms: what the function's time-out leaves.
            handler_limit_seconds: what one call of a handler may take.
        """
        end_ms = now_ms + remaining_ms
        return cls(
            start_until_ms=end_ms - 1000 * (WRITE_MARGIN_SECONDS + handler_limit_seconds),
            answer_at_ms=end_ms - 1000 * ANSWER_MARGIN_SECONDS,
        )


def check_function_timeout(*, remaining_ms: float, handler_limit_seconds: float) -> None:
    """Check that a function that has just been called leaves its handlers their time.

    Raises:
        ConfigurationError: no handler could ever be started.
    """
    least_seconds = handler_limit_seconds + WRITE_MARGIN_SECONDS + START_WINDOW_SECONDS
    if remaining_ms < 1000 * (least_seconds - 1):  # the runtime itself has taken some of it
        raise ConfigurationError(
            f"the function's time-out leaves {remaining_ms / 1000:.0f} s, too little for handlers that may take "
            f"{handler_limit_seconds:g} s: set it to {least_seconds:g} s at least, better "
            f"{2 * handler_limit_seconds + WRITE_MARGIN_SECONDS + START_WINDOW_SECONDS:g} s, "
            "or lower DROPSLOT_HANDLER_TIMEOUT_SECONDS"
        )

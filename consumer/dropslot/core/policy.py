"""What a run comes to, and when a request is tried again: decisions as values."""

import json
from collections.abc import Awaitable
from typing import Final

import msgspec

from dropslot.core import names
from dropslot.core.errors import Reject, RetryLater
from dropslot.core.item import State
from dropslot.core.transience import is_transient

DEFAULT_RETRY_SCHEDULE_SECONDS: Final = (5.0, 60.0, 300.0, 1_800.0, 7_200.0, 21_600.0, 43_200.0, 86_400.0)

#: A suspect is failed instead of being started for the third time.
MAX_STARTS: Final = 3
KILLED_ITS_WORKER: Final = "killed its worker: the process that ran it died, again and again"

#: Pauses between the tries in process; the last one repeats.
IN_PROCESS_PAUSES_SECONDS: Final = (0.1, 0.4, 1.6)

#: However long a handler asks to wait, it is looked at again after this.
MAX_WAIT_SECONDS: Final = 365 * 86_400.0

#: The sweep's pause between two redrives of a pending request doubles with each attempt, up to this many doublings.
MAX_DOUBLINGS: Final = 6


class Returned(msgspec.Struct, frozen=True):
    """The handler returned this value."""

    value: object


class Raised(msgspec.Struct, frozen=True):
    """The handler raised this."""

    error: BaseException


class TimedOut(msgspec.Struct, frozen=True):
    """The handler didn't return in time.

    Args:
        limit_seconds: the limit that passed.
        late: how it ends after all, if it ever does and wasn't cut off.
    """

    limit_seconds: float
    late: "Awaitable[Ending] | None" = None


Ending = Returned | Raised | TimedOut


class Done(msgspec.Struct, frozen=True, gc=False):
    """The request succeeded; `result` is JSON text, None for nothing to keep."""

    result: str | None


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The request failed for good, with this error."""

    error: str


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """The request waits for its next attempt.

    Args:
        last_error: why.
        after_ms: how long.
        counts: it is a failure, and moves the request on its retry schedule.
        ended: a run of it came to its end, so that it is no suspect any more; else nothing was run.
    """

    last_error: str
    after_ms: int
    counts: bool = True
    ended: bool = True


Outcome = Done | Failed | Waiting


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How endings are judged.

    Args:
        handler_tries: how often a raising handler is called in process.
        retry_schedule_seconds: how long the n-th counted failure keeps a request waiting; after the last: failed.
        result_max_bytes: limit of the result's JSON in UTF-8.
    """

    handler_tries: int = 3
    retry_schedule_seconds: tuple[float, ...] = DEFAULT_RETRY_SCHEDULE_SECONDS
    result_max_bytes: int = 16_384

    def pause_before_next_try(self, ending: Ending, tries_made: int) -> float | None:
        """Return the seconds to wait before calling the handler again in process, or None to take the ending.

        Only a raise is worth another call: a rejection is final, `RetryLater` asks for a later attempt, and a handler
        that used up its time may still be running.
        """
        if not isinstance(ending, Raised) or isinstance(ending.error, (Reject, RetryLater)):
            return None
        if tries_made >= self.handler_tries:
            return None
        return IN_PROCESS_PAUSES_SECONDS[min(tries_made, len(IN_PROCESS_PAUSES_SECONDS)) - 1]

    def judge(self, state: State, ending: Ending) -> Outcome:
        """Turn the ending of a run into its outcome."""
        if isinstance(ending, Returned):
            return self._judge_value(ending.value)
        if isinstance(ending, TimedOut):
            return self.later(state, f"the handler did not return within {ending.limit_seconds:g} s")
        error = ending.error
        if isinstance(error, Reject):
            return Failed(_message(error) or "no reason given")
        if isinstance(error, RetryLater):
            # A class of the user's may not have called ours to set it.
            after_seconds = getattr(error, "after_seconds", None)
            return self.later(state, _message(error) or "the handler asked to be run later", after_seconds)
        if is_transient(error):
            return self.later(state, describe(error))
        return Failed(describe(error))

    def later(self, state: State, last_error: str, after_seconds: float | None = None) -> Outcome:
        """Keep a request waiting, or fail it once its retry schedule is used up.

        Args:
            state: the request as it was run.
            last_error: why it has to wait.
            after_seconds: what the handler asked for; counts against the schedule, whatever its length.
        """
        if state.tries >= len(self.retry_schedule_seconds):
            return Failed(f"{last_error} (given up after {state.tries + 1} tries)")
        scheduled = self.retry_schedule_seconds[state.tries]
        seconds = after_seconds if after_seconds is not None else scheduled
        return Waiting(last_error, round(1000 * min(seconds, MAX_WAIT_SECONDS)))

    def _judge_value(self, value: object) -> Outcome:
        if value is None:
            return Done(None)
        if isinstance(value, str):  # the original rule: a returned string is the error
            return Failed(value or "no reason given")
        try:
            result = _encode(value)
        except Exception as wrong:  # noqa: BLE001 - the classes of a handler's value may do anything when looked at
            return Failed(f"the handler returned a value that is not JSON: {describe(wrong)}")
        size = len(result)  # all of it is ASCII
        if size > self.result_max_bytes:
            return Failed(
                f"the handler's result is too large: {size} bytes of JSON, the limit is {self.result_max_bytes}"
            )
        return Done(result)


#: Strict, and escaped to ASCII: what is not JSON is the handler's fault, and a character is a byte.
_encode: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def next_due_at(state: State, *, now_ms: int, grace_ms: int) -> int:
    """Return the `due_at` of a redriven request; plus the grace it is when the sweep would redrive it again.

    A waiting request gets no more than the grace. For a pending one it doubles with each redrive that no failure asked
    for, so that a backlog longer than the grace isn't answered by ever more redrives.
    """
    if state.status != names.PENDING:
        return now_ms
    overdue = max(0, state.attempt - state.tries)
    return now_ms + grace_ms * ((1 << min(overdue, MAX_DOUBLINGS)) - 1)


def describe(error: BaseException) -> str:
    """Return ``Type: message``, or the type alone when there is no message."""
    message = _message(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may do anything; the request must be settled all the same
        return "(its message can't be read)"

"""How an invocation's time is divided, and which time-outs are too short."""

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.lambda_.deadline import Deadline, check_function_timeout


def test_a_handler_started_last_has_its_time_and_its_outcome_too() -> None:
    """Given 100 s and handlers of 60 s, then they are started for 35 s, and the answer is due 2 s before the end."""
    deadline = Deadline.of(now_ms=1_000_000, remaining_ms=100_000, handler_limit_seconds=60)
    assert deadline == Deadline(start_until_ms=1_035_000, answer_at_ms=1_098_000)


def test_a_function_that_leaves_its_handlers_no_time_is_a_fault_of_configuration() -> None:
    """Given 60 s for handlers of 60 s, then the error says what to set."""
    with pytest.raises(ConfigurationError, match="set it to 70 s at least, better 130 s"):
        check_function_timeout(remaining_ms=60_000, handler_limit_seconds=60)


def test_what_the_runtime_itself_has_taken_does_not_count() -> None:
    """Given the least time-out, a moment after the start, then it is enough."""
    check_function_timeout(remaining_ms=69_400, handler_limit_seconds=60)

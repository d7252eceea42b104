"""What users raise and operators read."""

import pytest

from dropslot.core.errors import ConfigurationError, DropslotError, Reject, RetryLater, TransientError


def test_a_configuration_error_tells_all_faults() -> None:
    """One run is enough to see everything that is wrong."""
    error = ConfigurationError("a is wrong", "b is missing")
    assert error.faults == ("a is wrong", "b is missing")
    assert str(error) == "a is wrong; b is missing"


@pytest.mark.parametrize("after", [-1, -0.001, float("inf"), float("nan"), float("-inf")])
def test_retry_later_takes_only_a_span_of_time(after: float) -> None:
    """A wrong number shows where it was written."""
    with pytest.raises(ValueError, match="after_seconds"):
        RetryLater(after_seconds=after)


@pytest.mark.parametrize("after", [None, 0, 0.5, 86_400])
def test_retry_later_keeps_what_was_asked_for(after: float | None) -> None:
    """None leaves it to the schedule."""
    assert RetryLater("busy", after_seconds=after).after_seconds == after


@pytest.mark.parametrize("kind", [ConfigurationError, TransientError, Reject, RetryLater])
def test_all_errors_have_one_root(kind: type[Exception]) -> None:
    """`except DropslotError` catches each."""
    assert issubclass(kind, DropslotError)

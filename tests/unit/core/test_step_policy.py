"""How a step's errors are met."""

import pytest

from dropslot import Reject, RetryLater, StepPolicy


def test_by_default_a_step_has_three_tries() -> None:
    """Given no policy of its own, then two pauses and no more."""
    policy = StepPolicy()
    assert [policy.pause_before_next_try(ValueError(), tries) for tries in (1, 2, 3)] == [0.1, 0.4, None]


def test_the_last_pause_repeats() -> None:
    """Given more tries than pauses, then the last one is taken again."""
    policy = StepPolicy(tries=5, pauses_seconds=(1, 2))
    assert [policy.pause_before_next_try(ValueError(), tries) for tries in range(1, 6)] == [1, 2, 2, 2, None]


@pytest.mark.parametrize("error", [Reject("no"), RetryLater(), KeyboardInterrupt(), SystemExit(1)])
def test_what_is_never_met_with_another_try(error: BaseException) -> None:
    """Given a final word, a wish to come later, or the end of the process, then it is taken at once."""
    assert StepPolicy(tries=9).pause_before_next_try(error, 1) is None


@pytest.mark.parametrize("tries", [0, 101, -1])
def test_tries_have_bounds(tries: int) -> None:
    """Given a number out of range, then it is refused with the range."""
    with pytest.raises(ValueError, match=f"tries must be from 1 to 100; got {tries}"):
        StepPolicy(tries=tries)


@pytest.mark.parametrize("pauses", [(), (-0.1,), (61.0,), (0.1, float("nan"))])
def test_pauses_have_bounds(pauses: tuple[float, ...]) -> None:
    """Given no pause, or one out of range, then it is refused with the range."""
    with pytest.raises(ValueError, match="pauses_seconds must be one or more numbers from 0 to 60"):
        StepPolicy(pauses_seconds=pauses)

"""The pause that clients are asked to make grows with the request's age and is never long for a young one."""

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.api.schedule import BOUNDS, wait_seconds

ACCEPTED: Final = 1_699_999_999_999
#: Every time that has 13 digits: from 2001 to 2286.
FIRST, LAST = 10**12, 10**13 - 1
TIMES: Final = st.integers(FIRST, LAST)
SHORTEST, LONGEST = 1, 60


def _wait(api: Any, accepted_at_ms: object, now_ms: object, status: str = "pending-0") -> int:
    item = {"id": {"S": "-#orders#k"}, "status": {"S": status}, "accepted_at": {"N": str(accepted_at_ms)}}
    item["attempt"] = {"N": "0"}
    read = api.found({"Item": item}, requestTimeEpoch=now_ms)
    repeated = api.accepted({"Attributes": item}, requestTimeEpoch=now_ms)
    assert read.headers["Retry-After"] == repeated.headers["Retry-After"]
    return int(read.headers["Retry-After"])


@pytest.mark.parametrize(
    ("age_ms", "seconds"),
    [
        (0, 1),
        (1, 1),
        (9_999, 1),
        (20_000, 5),
        (99_999, 5),
        (200_000, 30),
        (999_999, 30),
        (2_000_000, 60),
        (48 * 3_600_000, 60),
        # The clock of the machine that answers may be behind.
        (-1, 1),
        (-9_999, 1),
    ],
)
@pytest.mark.parametrize("accepted_at_ms", [ACCEPTED, ACCEPTED + 1, 1_700_000_123_456, 1_699_989_999_500])
def test_the_wait_grows_with_age(api: Any, accepted_at_ms: int, age_ms: int, seconds: int) -> None:
    """Given an unsettled request of some age, read or repeated, then the answer asks for the wait of that age."""
    for status in ("pending-a", "waiting-f"):
        assert _wait(api, accepted_at_ms, accepted_at_ms + age_ms, status) == seconds


@pytest.mark.parametrize("status", ["done-0", "failed-0"])
def test_a_settled_request_has_no_wait(api: Any, status: str) -> None:
    """Given an outcome, then nothing asks the client to come again."""
    item = {"id": {"S": "-#orders#k"}, "status": {"S": status}, "accepted_at": {"N": "1"}, "attempt": {"N": "0"}}
    assert "Retry-After" not in api.found({"Item": item}).headers
    assert "Retry-After" not in api.accepted({"Attributes": item}).headers


@pytest.mark.parametrize("accepted_at", ["", "17", "17000000000000", "x" * 13])
def test_a_time_that_is_none_is_asked_about_soon(api: Any, accepted_at: str) -> None:
    """Given an item whose time can't be read, then the wait is the shortest: asking too early does no harm."""
    item = {"id": {"S": "-#orders#k"}, "status": {"S": "pending-0"}, "accepted_at": {"N": accepted_at}}
    assert api.accepted({"Attributes": item}).headers["Retry-After"] == str(SHORTEST)


@given(accepted_at_ms=TIMES, age_ms=st.integers(-20_000, 4_000_000) | st.integers(0, 10**12))
@settings(max_examples=60, deadline=None)
def test_the_wait_is_that_of_arithmetic(api: Any, accepted_at_ms: int, age_ms: int) -> None:
    """Given any two times, then comparing digits tells the same as arithmetic."""
    now_ms = min(max(accepted_at_ms + age_ms, FIRST), LAST)
    assert _wait(api, accepted_at_ms, now_ms) == wait_seconds(accepted_at_ms, now_ms)


@given(accepted_at_ms=TIMES, ages_ms=st.lists(st.integers(0, 10**7), min_size=2, max_size=2))
@settings(max_examples=40, deadline=None)
def test_the_wait_never_shrinks(api: Any, accepted_at_ms: int, ages_ms: list[int]) -> None:
    """Given one request and two times, then the later answer asks for no shorter wait."""
    earlier, later = (min(accepted_at_ms + age_ms, LAST) for age_ms in sorted(ages_ms))
    assert _wait(api, accepted_at_ms, earlier) <= _wait(api, accepted_at_ms, later)


@given(accepted_at_ms=TIMES, age_ms=st.integers(0, 10**7))
@settings(max_examples=200, deadline=None)
def test_a_young_request_never_waits_long(accepted_at_ms: int, age_ms: int) -> None:
    """Given any age, then the wait is within its bounds, and more than a second only if that's under half the age."""
    wait = wait_seconds(accepted_at_ms, accepted_at_ms + age_ms)
    for seconds, surely_up_to_ms, surely_over_from_ms in BOUNDS:
        assert wait <= seconds or age_ms > surely_up_to_ms
        assert wait > seconds or age_ms < surely_over_from_ms
    assert wait == SHORTEST or wait * 1000 <= age_ms / 2
    assert wait <= LONGEST

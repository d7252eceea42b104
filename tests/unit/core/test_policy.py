"""How the ending of a run is judged, and when a request is tried again."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot import Reject, RetryLater
from dropslot.core.policy import (
    DEFAULT_RETRY_SCHEDULE_SECONDS,
    Done,
    Ending,
    Failed,
    Outcome,
    Policy,
    Raised,
    Returned,
    TimedOut,
    Waiting,
    next_due_at,
)
from tests.unit.core.images import state

POLICY = Policy()


class UnreadableError(Exception):
    """An error whose message can't be had."""

    def __str__(self) -> str:
        raise RuntimeError("no message")


class NoTextError(Exception):
    """An error whose message is no text."""

    def __str__(self) -> str:
        return None  # type: ignore[return-value] # noqa: PLE0307 - the point


TABLE: list[tuple[Ending, Outcome]] = [
    (Returned(None), Done(None)),
    (Returned({"total": 5}), Done('{"total":5}')),
    (Returned({}), Done("{}")),
    (Returned([]), Done("[]")),
    (Returned(0), Done("0")),
    (Returned(False), Done("false")),
    (Returned(1.5), Done("1.5")),
    (Returned([1, None, "é\u2028🙂"]), Done('[1,null,"\\u00e9\\u2028\\ud83d\\ude42"]')),
    (Returned("out of stock"), Failed("out of stock")),
    (Returned(""), Failed("no reason given")),
    (Raised(Reject("why")), Failed("why")),
    (Raised(Reject("")), Failed("no reason given")),
    (Raised(Reject()), Failed("no reason given")),
    (Raised(RetryLater("busy")), Waiting("busy", 5_000)),
    (Raised(RetryLater()), Waiting("the handler asked to be run later", 5_000)),
    (Raised(RetryLater("busy", after_seconds=0)), Waiting("busy", 0)),
    (Raised(RetryLater("busy", after_seconds=0.25)), Waiting("busy", 250)),
    (Raised(RetryLater("busy", after_seconds=90_000)), Waiting("busy", 90_000_000)),
    (Raised(TimeoutError()), Waiting("TimeoutError", 5_000)),
    (Raised(ConnectionResetError("reset")), Waiting("ConnectionResetError: reset", 5_000)),
    (TimedOut(60.0), Waiting("the handler did not return within 60 s", 5_000)),
    (TimedOut(0.5), Waiting("the handler did not return within 0.5 s", 5_000)),
    (Raised(ValueError("bad")), Failed("ValueError: bad")),
    (Raised(ValueError()), Failed("ValueError")),
    (Raised(KeyError("x")), Failed("KeyError: 'x'")),
    (Raised(SystemExit(3)), Failed("SystemExit: 3")),
    (Raised(KeyboardInterrupt()), Failed("KeyboardInterrupt")),
    (Raised(UnreadableError()), Failed("UnreadableError: (its message can't be read)")),
    (Raised(NoTextError()), Failed("NoTextError: (its message can't be read)")),
]


@pytest.mark.parametrize(
    ("ending", "outcome"), TABLE, ids=[repr(ending) if i < 27 else str(i) for i, (ending, _) in enumerate(TABLE)]
)
def test_an_ending_has_one_outcome(ending: Ending, outcome: Outcome) -> None:
    """The handler contract, row by row."""
    assert POLICY.judge(state(), ending) == outcome


class RaisingItems(dict[str, int]):
    """A mapping that loads its items when asked, and can't."""

    def items(self) -> Any:
        """Raise."""
        raise LookupError("connection is closed")


class RaisingList(list[int]):
    """A sequence that can't be gone through."""

    def __iter__(self) -> Iterator[int]:
        raise LookupError("connection is closed")


def circular() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> list[Any]:
    """Return a list nested deeper than the stack."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "make",
    [
        object,
        lambda: {1, 2},
        lambda: b"bytes",
        lambda: float("nan"),
        lambda: [float("inf")],
        lambda: {(1, 2): 3},
        circular,
        deep,
        lambda: 10**5_000,
        lambda: {"a": 1j},
        lambda: RaisingItems(a=1),
        lambda: RaisingList([1]),
    ],
)
def test_what_is_no_json_fails_the_request(make: Any) -> None:
    """A value that can't be kept has a clear outcome, whatever it does while it is written down."""
    outcome = POLICY.judge(state(), Returned(make()))
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith("the handler returned a value that is not JSON: ")


@pytest.mark.parametrize(
    ("text", "size", "fits"), [("x" * 6, 10, True), ("x" * 7, 11, False), ("é", 10, True), ("éé", 16, False)]
)
def test_a_result_is_limited_in_bytes(text: str, size: int, *, fits: bool) -> None:
    """Given a limit of 10 bytes, then only what its JSON fits is kept; the value isn't quoted."""
    outcome = Policy(result_max_bytes=10).judge(state(), Returned([text]))
    if fits:
        assert outcome == Done(json.dumps([text]))
    else:
        assert outcome == Failed(f"the handler's result is too large: {size} bytes of JSON, the limit is 10")


def test_the_schedule_is_followed_to_its_end() -> None:
    """5 s, 1 min, 5 min, 30 min, 2 h, 6 h, 12 h, 24 h; then failed."""
    expected = [5, 60, 300, 1_800, 7_200, 21_600, 43_200, 86_400]
    assert list(DEFAULT_RETRY_SCHEDULE_SECONDS) == expected
    for tries, seconds in enumerate(expected):
        assert POLICY.judge(state(tries=tries), Raised(TimeoutError())) == Waiting("TimeoutError", seconds * 1000)
    assert POLICY.judge(state(tries=8), Raised(TimeoutError())) == Failed("TimeoutError (given up after 9 tries)")
    assert isinstance(POLICY.judge(state(tries=99), TimedOut(1)), Failed)


def test_asking_for_later_counts_against_the_schedule() -> None:
    """No handler can keep a request for ever."""
    assert isinstance(POLICY.judge(state(tries=8), Raised(RetryLater("busy", after_seconds=1))), Failed)


def test_without_a_schedule_nothing_waits() -> None:
    """An empty schedule means: one attempt."""
    assert isinstance(Policy(retry_schedule_seconds=()).judge(state(), Raised(TimeoutError())), Failed)


@given(st.floats(0, allow_infinity=False, allow_nan=False))
def test_any_span_can_be_asked_for(after_seconds: float) -> None:
    """Given any span RetryLater takes, then it has an outcome whose time the table can store (38 digits)."""
    outcome = POLICY.judge(state(), Raised(RetryLater(after_seconds=after_seconds)))
    assert isinstance(outcome, Waiting)
    assert outcome.after_ms < 10**20


@pytest.mark.parametrize(
    ("ending", "tries_made", "pause"),
    [
        (Raised(ValueError()), 1, 0.1),
        (Raised(ValueError()), 2, 0.4),
        (Raised(ValueError()), 3, None),
        (Raised(TimeoutError()), 1, 0.1),
        (Raised(Reject()), 1, None),
        (Raised(RetryLater()), 1, None),
        (TimedOut(60), 1, None),
        (Returned(None), 1, None),
        (Returned("error"), 1, None),
    ],
)
def test_only_a_raise_is_tried_again_in_process(ending: Ending, tries_made: int, pause: float | None) -> None:
    """With growing pauses, three calls in all."""
    assert POLICY.pause_before_next_try(ending, tries_made) == pause


def test_the_last_pause_in_process_repeats() -> None:
    """Given more tries than pauses, then the longest is used on."""
    policy = Policy(handler_tries=10)
    pauses = [policy.pause_before_next_try(Raised(ValueError()), made) for made in range(1, 11)]
    assert pauses == [0.1, 0.4, *[1.6] * 7, None]


def test_one_try_means_one_call() -> None:
    """handler_tries=1 turns tries in process off."""
    assert Policy(handler_tries=1).pause_before_next_try(Raised(ValueError()), 1) is None


def test_the_next_due_time_grows_with_each_attempt_up_to_a_limit() -> None:
    """So that a backlog longer than the grace isn't answered by ever more redrives."""
    waits = [next_due_at(state(attempt=attempt), now_ms=0, grace_ms=1_000) for attempt in range(12)]
    overdue = [wait + 1_000 for wait in waits]
    assert overdue[:7] == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000]
    assert overdue[7:] == [64_000] * 5

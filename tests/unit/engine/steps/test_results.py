"""Results of steps: what is kept, and what both the first and a later run of the handler get."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import pytest

from dropslot import AsyncSteps, StepsMisusedError
from dropslot.core.policy import Policy
from dropslot.core.request import Request
from dropslot.engine.steps.results import RESULT_MAX_BYTES, Codec, to_json
from tests.unit.engine.doubles import asynchronous
from tests.unit.engine.steps.stepped import StepBench, raiser


class Charge(msgspec.Struct):
    """What a step returns."""

    id: str
    cents: int


@dataclass
class Parcel:
    """What a step returns."""

    number: int
    sent: datetime


SENT = datetime(2026, 11, 29, tzinfo=UTC)


def charge() -> Charge:
    """Return a Struct."""
    return Charge("c1", 250)


def parcel() -> Parcel:
    """Return a dataclass."""
    return Parcel(7, SENT)


def pair() -> tuple[int, str]:
    """Return a tuple that is annotated."""
    return 1, "b"


def maybe() -> Charge | None:
    """Return nothing of a kind."""
    return None


async def later() -> list[Charge]:
    """Return it from a coroutine."""
    return [Charge("c2", 1)]


def plain():  # type: ignore[no-untyped-def]  # noqa: ANN201 - that is the point
    """Return what isn't annotated."""
    return (1, {"two": (2, SENT)})


class Caller:
    """A callable that is no function."""

    def __call__(self) -> Charge:
        """Return a Struct."""
        return Charge("c3", 3)

    def method(self) -> set[int]:
        """Return a set."""
        return {1}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (charge, Charge("c1", 250)),
        (parcel, Parcel(7, SENT)),
        (pair, (1, "b")),
        (maybe, None),
        (later, [Charge("c2", 1)]),
        (plain, [1, {"two": [2, "2026-11-29T00:00:00Z"]}]),
        (Caller(), Charge("c3", 3)),
        (Caller().method, {1}),
        (partial(partial(charge)), Charge("c1", 250)),
        (lambda: {1: "one"}, {"1": "one"}),
        (lambda: 1 << 70, 1 << 70),
        (lambda: "ä\u2028", "ä\u2028"),
    ],
)
@asynchronous
async def test_each_run_gets_the_same(function: Callable[[], Any], expected: object) -> None:
    """Given a step that ran, then the handler gets its result as annotated, in the first run and in the next."""
    got: list[object] = []
    then = raiser(ValueError("once more"))

    async def handle(_: Request, steps: AsyncSteps) -> None:
        got.append(await steps.run("a", function))
        then()

    bench = StepBench(handle, policy=Policy(handler_tries=2))
    bench.is_inline = False  # plain functions are called in threads
    assert await bench.accepted() == "done"
    assert got == [expected, expected]
    assert [type(one) for one in got] == [type(expected)] * 2
    assert bench.journal.kinds == ["begin", "finish", "close_done"]


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, [{"deep": -math.inf}], object(), {"a": object()}, "\ud800", {(1, 2): 3}, 1j, iter(())],
)
def test_what_is_not_json_cannot_be_kept(value: object) -> None:
    """Given a result that other readers of JSON would refuse, or read as something else, then it says so."""
    with pytest.raises(StepsMisusedError, match="step 'a': it ran, but its result can't be kept: it is not JSON"):
        to_json("a", value)


def test_the_limit_of_a_result_is_in_bytes() -> None:
    """Given results around the limit, then the first byte too many is refused, with what to do instead."""
    assert len(to_json("a", "ä" * (RESULT_MAX_BYTES // 2 - 1)).encode()) == RESULT_MAX_BYTES
    with pytest.raises(StepsMisusedError, match="has 32769 bytes of JSON, the limit is 32768: return what later"):
        to_json("a", "ä" * (RESULT_MAX_BYTES // 2 - 1) + "x")


def test_an_annotation_that_json_cannot_be_read_as_is_refused() -> None:
    """Given a union that can't be told apart, then it is refused before the step is run."""

    def odd() -> dict[str, int] | Caller:
        raise AssertionError

    with pytest.raises(StepsMisusedError, match=r"is annotated to return .* which results can't be read as"):
        Codec.of("a", odd)


def test_a_result_that_is_not_as_annotated_is_refused() -> None:
    """Given a stored result from before an annotation was changed, then the text tells where it differs."""
    with pytest.raises(StepsMisusedError, match=r"isn't what its function is annotated .* got `str` - at `\$.cents`"):
        Codec.of("a", charge).decode('{"id":"c1","cents":"250"}')


def test_an_annotation_that_cannot_be_resolved_counts_as_none() -> None:
    """Given a name that isn't there at run time, then the result is plain JSON."""

    def later_known() -> "NotImported":  # type: ignore[name-defined]  # noqa: F821 - that is the point
        raise AssertionError

    assert Codec.of("a", later_known).decode('{"id":1}') == {"id": 1}
    assert Codec.of("a", print).decode("[1]") == [1]

"""Done to pending: an operator's forced redrive, on the memory twin."""

import asyncio
from typing import Any

import pytest

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import state_from
from dropslot.core.decision import Decision, decide
from dropslot.core.policy import Done, Failed, Outcome, Waiting
from dropslot.core.transitions import Write, force, settle
from dropslot.engine.ports import WriteResult
from tests.unit.core.images import ACCEPTED_AT_MS, Image, image, parsed, state

NOW_MS = ACCEPTED_AT_MS + 60_000
TTL = 1_760_000_400


def done(**attributes: Any) -> Image:
    """Return a done request that had it hard on the way."""
    given = {"status": "done-a", "ttl": TTL, "result": "[1]", "attempt": 3, "tries": 4, "starts": 2}
    return image(**{**given, **attributes})


def seen(**fields: Any) -> Write:
    """Return an operator's write for the request above."""
    return force(state(**{"status": "done", "attempt": 3, "tries": 4, **fields}), ttl=TTL, now_ms=NOW_MS)


def written(item: Image, *writes: Write) -> tuple[list[WriteResult], Image]:
    """Make writes; return their results and the item after them."""
    table = MemoryRequests()
    table.put(item)
    results = [asyncio.run(table.write([write]))[0] for write in writes]
    return results, table.items["caller#one"]


def test_it_is_pending_again_with_a_fresh_schedule() -> None:
    """Given a done request, then it is pending, without what it came to, and expires no more."""
    results, item = written(done(last_error="slow"), seen())

    assert results == [WriteResult.APPLIED]
    assert item == image(attempt=4, floor=4, tries=0, due_at=NOW_MS, last_error="slow")


def test_its_change_record_runs_it() -> None:
    """Given the change that it makes, a consumer runs it."""
    _, item = written(done(), seen())

    assert decide(parsed(item, done())) is Decision.RUN


def test_it_is_forced_once() -> None:
    """Given two operators who saw the same, one of them forces it."""
    results, item = written(done(), seen(), seen())

    assert results == [WriteResult.APPLIED, WriteResult.REFUSED]
    assert item["attempt"] == {"N": "4"}


@pytest.mark.parametrize(
    "present",
    [
        done(accepted_at=ACCEPTED_AT_MS + 1),
        done(attempt=4),
        done(ttl=TTL + 1),
        image(attempt=3),
        image(attempt=3, status="failed-a", error="busy"),
        done(request=None),
    ],
    ids=["next generation", "forced before", "done anew", "pending", "failed", "no request"],
)
def test_what_is_not_as_it_was_seen_stays_as_it_is(present: Image) -> None:
    """Given a request that somebody else moved meanwhile, then nothing is written."""
    results, item = written(present, seen())

    assert results == [WriteResult.REFUSED]
    assert item == present


def test_an_expired_and_deleted_one_stays_away() -> None:
    """Given no item, then none is made."""
    table = MemoryRequests()

    assert asyncio.run(table.write([seen()])) == [WriteResult.REFUSED]
    assert table.items == {}


@pytest.mark.parametrize("outcome", [Done(None), Failed("late"), Waiting("late", 0)], ids=["done", "failed", "waiting"])
def test_a_late_outcome_of_an_older_attempt_settles_nothing(outcome: Outcome) -> None:
    """Given a run that still owes its outcome when the request is forced, then that outcome is refused."""
    late = settle(state(attempt=3), outcome, now_ms=NOW_MS + 1, ttl_seconds=5)

    results, item = written(done(), seen(), late)

    assert results == [WriteResult.APPLIED, WriteResult.REFUSED]
    assert state_from(item) == state(attempt=4, floor=4)


@pytest.mark.parametrize("outcome", [Done("[2]"), Failed("why"), Waiting("busy", 0)], ids=["done", "failed", "waiting"])
def test_the_outcome_of_the_forced_attempt_settles_it(outcome: Outcome) -> None:
    """Given a run of the forced attempt, then its outcome counts."""
    results, _ = written(done(), seen(), settle(state(attempt=4), outcome, now_ms=NOW_MS + 1, ttl_seconds=5))

    assert results == [WriteResult.APPLIED, WriteResult.APPLIED]

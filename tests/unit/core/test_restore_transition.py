"""Gone to pending: a request comes back from its change record, on the memory twin."""

import asyncio
from typing import Any

import pytest

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.core.decision import Decision, decide
from dropslot.core.names import BASE64
from dropslot.core.policy import Done, Failed, Outcome, Waiting
from dropslot.core.transitions import Insert, force, restore, retry, settle, suspect
from dropslot.engine.ports import WriteResult
from tests.unit.core.images import ACCEPTED_AT_MS, Image, image, parsed, state

NOW_MS = ACCEPTED_AT_MS + 60_000
HEADERS = {"M": {"X-GitHub-Event": {"S": "push"}}}


def gone(**attributes: Any) -> Image:
    """Return the image that a change record has of the request."""
    return image(**attributes) | {"headers": HEADERS}


def restored(record: Image, *, attempt: int = 0) -> Insert:
    """Return an operator's write for the change record that brought the request."""
    change = parsed(record)
    return restore(change.accepted, digit=change.state.digit, attempt=attempt, now_ms=NOW_MS)


def inserted(table: MemoryRequests, insert: Insert) -> WriteResult:
    """Make the item."""
    return asyncio.run(table.restore([insert]))[0]


@pytest.mark.parametrize("encoding", [None, BASE64])
def test_it_is_as_it_was_accepted_but_for_its_attempt(encoding: str | None) -> None:
    """Given a request that is gone, then all that a client sent is back, pending, fenced by the next attempt."""
    table = MemoryRequests()

    assert inserted(table, restored(gone(encoding=encoding), attempt=6)) is WriteResult.APPLIED
    assert table.items["caller#one"] == gone(encoding=encoding, attempt=7, floor=7, due_at=NOW_MS)


def test_its_change_record_runs_it() -> None:
    """Given the change that it makes, a consumer runs it."""
    table = MemoryRequests()
    inserted(table, restored(gone()))

    assert decide(parsed(table.items["caller#one"], event="INSERT")) is Decision.RUN


@pytest.mark.parametrize(
    "present",
    [
        gone(),
        gone(status="done-a", ttl=5),
        gone(status="failed-a", error="busy"),
        gone(accepted_at=ACCEPTED_AT_MS + 1),
        image(request=None),
    ],
    ids=["pending", "done", "failed", "another generation", "no request"],
)
def test_what_has_its_id_stays_as_it_is(present: Image) -> None:
    """Given any item with its key, expired or not, then nothing is written."""
    table = MemoryRequests()
    table.put(present)

    assert inserted(table, restored(gone())) is WriteResult.REFUSED
    assert table.items["caller#one"] == present


@pytest.mark.parametrize("outcome", [Done(None), Failed("late"), Waiting("late", 0)], ids=["done", "failed", "waiting"])
@pytest.mark.parametrize("attempt", [0, 5, 6])
def test_a_late_outcome_of_its_first_life_settles_nothing(outcome: Outcome, attempt: int) -> None:
    """Given a run that began before the request was deleted, then its outcome doesn't end its second life."""
    table = MemoryRequests()
    inserted(table, restored(gone(), attempt=6))
    before = dict(table.items)

    late = settle(state(attempt=attempt), outcome, now_ms=NOW_MS + 1, ttl_seconds=5)

    assert asyncio.run(table.write([late])) == [WriteResult.REFUSED]
    assert table.items == before


def test_nothing_else_makes_an_item() -> None:
    """Given no item, no other transition brings it back."""
    table = MemoryRequests()
    request = state()
    writes = [
        *(
            settle(request, outcome, now_ms=NOW_MS, ttl_seconds=5)
            for outcome in (Done(None), Failed("x"), Waiting("x", 0))
        ),
        retry(request, error="x", now_ms=NOW_MS),
        force(request, ttl=5, now_ms=NOW_MS),
        suspect(request, now_ms=NOW_MS),
    ]

    assert {asyncio.run(table.write([write]))[0] for write in writes} == {WriteResult.REFUSED}
    assert table.items == {}

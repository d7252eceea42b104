"""Failed to pending: an operator's redrive, on the memory twin."""

import asyncio
from typing import Any

import pytest

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import state_from
from dropslot.core.decision import Decision, decide
from dropslot.core.transitions import Write, retry
from dropslot.engine.ports import WriteResult
from tests.unit.core.images import ACCEPTED_AT_MS, Image, image, parsed, state

NOW_MS = ACCEPTED_AT_MS + 60_000


def failed(**attributes: Any) -> Image:
    """Return a failed request that used up its schedule and once killed its worker."""
    given = {"status": "failed-a", "error": "busy", "attempt": 8, "tries": 8, "starts": 2, "last_error": "slow"}
    return image(**{**given, **attributes})


def seen(**fields: Any) -> Write:
    """Return an operator's write for the request above."""
    return retry(state(**{"status": "failed", "attempt": 8, "tries": 8, **fields}), error="busy", now_ms=NOW_MS)


def written(item: Image, write: Write) -> tuple[WriteResult, Image]:
    """Make a write; return its result and the item after it."""
    table = MemoryRequests()
    table.put(item)
    (result,) = asyncio.run(table.write([write]))
    return result, table.items["caller#one"]


def test_it_is_pending_again_with_a_fresh_schedule() -> None:
    """Given a failed request, then it is pending, its error is the last one, and nothing counts against it."""
    result, item = written(failed(), seen())

    assert result is WriteResult.APPLIED
    assert item == image(attempt=9, rerun=9, tries=0, due_at=NOW_MS, last_error="busy")


@pytest.mark.parametrize("began", [0, 3])
def test_one_that_only_undoes_takes_an_earlier_wish_back(began: int) -> None:
    """Given a retry that came no further than the undo, the next one, for that alone, starts no run after it.

    Runs before the one that is undone stay over: each of them began earlier.
    """
    write = retry(state(attempt=8, status="failed"), error="busy", now_ms=NOW_MS, undo_only=began)
    _, item = written(failed(rerun=7), write)

    assert item == image(attempt=9, rerun=began, tries=0, due_at=NOW_MS, last_error="busy")


def test_its_change_record_runs_it() -> None:
    """Given the change that a redrive makes, a consumer runs it."""
    _, item = written(failed(), seen())

    assert decide(parsed(item, failed())) is Decision.RUN


@pytest.mark.parametrize(
    "present",
    [
        failed(accepted_at=ACCEPTED_AT_MS + 1),
        failed(attempt=9),
        failed(error="another"),
        failed(error=None, status="pending-a"),
        failed(error=None, status="done-a", ttl=5),
        failed(request=None),
    ],
    ids=["next generation", "redriven before", "failed anew", "pending", "done", "no request"],
)
def test_what_is_not_as_it_was_seen_stays_as_it_is(present: Image) -> None:
    """Given a request that somebody else moved meanwhile, then nothing is written."""
    result, item = written(present, seen())

    assert result is WriteResult.REFUSED
    assert item == present


def test_a_deleted_one_stays_away() -> None:
    """Given no item, then none is made."""
    table = MemoryRequests()

    assert asyncio.run(table.write([seen()])) == [WriteResult.REFUSED]
    assert table.items == {}


def test_the_state_after_it_can_be_read() -> None:
    """Given the item after a redrive, its state is that of a pending request."""
    _, item = written(failed(), seen())

    assert state_from(item) == state(attempt=9, rerun=9)

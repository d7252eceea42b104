"""The design's table of transitions, row by row, on the memory twin."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.core.item import Unfinished
from dropslot.core.policy import Done, Failed, Outcome, Waiting
from dropslot.core.transitions import Write, redrive, settle
from dropslot.engine.ports import WriteResult
from tests.unit.core.images import ACCEPTED_AT_MS, Image, image, state

NOW_MS = ACCEPTED_AT_MS + 60_000
TTL_SECONDS = 300


def write(table: MemoryRequests, change: Write) -> WriteResult:
    """Make one write."""
    return asyncio.run(table.write([change]))[0]


def table_with(*items: Image) -> MemoryRequests:
    """Return a table of these items."""
    table = MemoryRequests()
    for item in items:
        table.put(item)
    return table


def settled(outcome: Outcome, **fields: Any) -> Write:
    """Return the write of an outcome for the state a run had."""
    return settle(state(**fields), outcome, now_ms=NOW_MS, ttl_seconds=TTL_SECONDS)


def redriven(due_at: int = ACCEPTED_AT_MS, **fields: Any) -> Write:
    """Return the sweep's write for a row it saw."""
    return redrive(Unfinished(state=state(**fields), due_at=due_at), due_at=NOW_MS)


WRITES: dict[str, Callable[[], Write]] = {
    "done": lambda: settled(Done('{"total":5}')),
    "done without result": lambda: settled(Done(None)),
    "failed": lambda: settled(Failed("why")),
    "waiting": lambda: settled(Waiting("busy", 5_000)),
    "redrive": redriven,
}

AFTER: dict[str, dict[str, str | int | None]] = {
    "done": {
        "status": "done-a",
        "queue": None,
        "due_at": NOW_MS,
        "ttl": NOW_MS // 1000 + TTL_SECONDS,
        "result": '{"total":5}',
    },
    "done without result": {
        "status": "done-a",
        "queue": None,
        "due_at": NOW_MS,
        "ttl": NOW_MS // 1000 + TTL_SECONDS,
    },
    "failed": {"status": "failed-a", "queue": "failed-a", "due_at": NOW_MS, "error": "why"},
    "waiting": {
        "status": "waiting-a",
        "queue": "waiting-a",
        "due_at": NOW_MS + 5_000,
        "tries": 1,
        "last_error": "busy",
    },
    "redrive": {"status": "pending-a", "queue": "pending-a", "due_at": NOW_MS, "attempt": 1},
}


@pytest.mark.parametrize("name", WRITES)
def test_from_pending_each_writes_exactly_its_attributes(name: str) -> None:
    """The item after the transition is the item before it plus the row's last column, and nothing else."""
    table = table_with(image())
    assert write(table, WRITES[name]()) is WriteResult.APPLIED
    assert table.items["caller#one"] == image(**AFTER[name])


#: A condition of the table broken -> the items' attributes that break it.
BROKEN: dict[str, dict[str, str | int | None]] = {
    "a ghost without a request": {"request": None},
    "another generation": {"accepted_at": ACCEPTED_AT_MS + 1},
    "no generation": {"accepted_at": None},
    "done before": {"ttl": 5},
    "failed before": {"error": "x"},
    "failed before with an empty error": {"error": ""},
    "done and failed": {"ttl": 5, "error": "x"},
    "redriven meanwhile": {"attempt": 1},
    "an earlier attempt": {"attempt": -1},
    "waiting": {"status": "waiting-a"},
    "queue changed alone": {"queue": "waiting-a"},
    "no queue": {"queue": None},
    "due_at changed": {"due_at": ACCEPTED_AT_MS + 1},
    "floor above": {"floor": 1},
    "floor at": {"floor": 0},
    "a later status, no outcome": {"status": "done-a", "queue": "pending-a"},
}

_ALWAYS = {
    "a ghost without a request",
    "another generation",
    "no generation",
    "done before",
    "failed before",
    "failed before with an empty error",
    "done and failed",
}
_SAME_ATTEMPT = {*_ALWAYS, "redriven meanwhile", "an earlier attempt", "waiting", "a later status, no outcome"}
REFUSED_BY: dict[str, set[str]] = {
    "done": {*_ALWAYS, "floor above"},
    "done without result": {*_ALWAYS, "floor above"},
    "failed": _SAME_ATTEMPT,
    "waiting": _SAME_ATTEMPT,
    "redrive": {
        *_ALWAYS,
        "redriven meanwhile",
        "an earlier attempt",
        "waiting",
        "queue changed alone",
        "no queue",
        "due_at changed",
    },
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("broken", BROKEN)
def test_each_condition_broken_alone_refuses(name: str, broken: str) -> None:
    """From x to x condition: refused changes nothing; done alone is taken from any attempt not below floor."""
    item = image(**BROKEN[broken])
    table = table_with(item)
    result = write(table, WRITES[name]())
    if broken in REFUSED_BY[name]:
        assert result is WriteResult.REFUSED
        assert table.items["caller#one"] == item
    else:
        assert result is WriteResult.APPLIED


@pytest.mark.parametrize("name", WRITES)
def test_no_write_back_creates_an_item(name: str) -> None:
    """Given a deleted item, then its late write is refused and the table stays empty."""
    table = MemoryRequests()
    assert write(table, WRITES[name]()) is WriteResult.REFUSED
    assert table.items == {}


@pytest.mark.parametrize(("attempt", "item_attempt"), [(0, 0), (0, 1), (0, 7), (3, 7)])
def test_done_is_taken_from_an_earlier_attempt(attempt: int, item_attempt: int) -> None:
    """Refusing the success of a request that the sweep redrove meanwhile would redo its work, for ever."""
    table = table_with(image(attempt=item_attempt))
    assert write(table, settled(Done(None), attempt=attempt)) is WriteResult.APPLIED
    assert table.items["caller#one"]["attempt"] == {"N": str(item_attempt)}


@pytest.mark.parametrize(
    ("attempt", "floor", "taken"), [(0, 1, False), (1, 1, True), (2, 1, True), (9, 10, False), (10, 9, True)]
)
def test_done_is_not_taken_below_the_floor(attempt: int, floor: int, *, taken: bool) -> None:
    """A forced redrive asks for a new run: an older one's success doesn't count; numbers compare as numbers."""
    table = table_with(image(attempt=12, floor=floor))
    result = write(table, settled(Done(None), attempt=attempt))
    assert result is (WriteResult.APPLIED if taken else WriteResult.REFUSED)


def test_a_late_success_is_taken_from_waiting() -> None:
    """Given a handler that passed its limit and succeeded after all, then its request is done and out of the queue."""
    table = table_with(image())
    assert write(table, settled(Waiting("slow", 5_000))) is WriteResult.APPLIED
    assert write(table, settled(Done(None))) is WriteResult.APPLIED
    assert "queue" not in table.items["caller#one"]


@pytest.mark.parametrize("outcome", [Failed("x" * 5_000), Waiting("é" * 5_000, 0), Failed("\ud800" * 2_000)])
def test_errors_are_cut_to_what_an_item_keeps_room_for(outcome: Outcome) -> None:
    """1 KB at most, whatever the handler said."""
    table = table_with(image())
    assert write(table, settled(outcome)) is WriteResult.APPLIED
    item = table.items["caller#one"]
    text = (item.get("error") or item["last_error"])["S"]
    assert 1_000 < len(text.encode()) <= 1_024


def test_waiting_counts_each_failure_once() -> None:
    """Tries grow by the run's own count; a write made twice is refused the second time."""
    table = table_with(image(tries=4))
    change = settled(Waiting("busy", 0), tries=4)
    assert write(table, change) is WriteResult.APPLIED
    assert table.items["caller#one"]["tries"] == {"N": "5"}
    assert write(table, change) is WriteResult.REFUSED
    assert table.items["caller#one"]["tries"] == {"N": "5"}


def test_waiting_that_is_no_failure_keeps_the_tries() -> None:
    """Given a wait that doesn't count, then the request keeps its place on the retry schedule."""
    table = table_with(image(tries=4))
    assert write(table, settled(Waiting("no time", 0, counts=False), tries=4)) is WriteResult.APPLIED
    assert table.items["caller#one"]["tries"] == {"N": "4"}


def test_who_waits_is_no_suspect_any_more() -> None:
    """Also by counts of other workers, which the run that ends has never seen."""
    table = MemoryRequests()
    table.put({**image("caller#one"), "starts": {"N": "2"}})
    assert write(table, settled(Waiting("busy", 5_000))) is WriteResult.APPLIED
    assert "starts" not in table.items["caller#one"]


def test_two_sweepers_redrive_a_row_once() -> None:
    """The second one's condition no longer holds."""
    table = table_with(image(status="waiting-a", tries=1))
    change = redriven(status="waiting", tries=1)
    assert write(table, change) is WriteResult.APPLIED
    assert write(table, change) is WriteResult.REFUSED
    assert table.items["caller#one"]["attempt"] == {"N": "1"}
    assert table.items["caller#one"]["tries"] == {"N": "1"}


@given(
    st.sampled_from(sorted(WRITES)),
    st.dictionaries(
        st.sampled_from(["ttl", "error", "attempt", "accepted_at", "queue", "due_at", "floor", "tries"]),
        st.none() | st.integers(0, 3) | st.sampled_from(["pending-a", "waiting-a", "x"]),
    ),
)
def test_a_settled_request_never_changes(name: str, attributes: dict[str, Any]) -> None:
    """Given any item with an outcome, then no write of consumer or sweep touches it."""
    attributes = {**attributes, "ttl" if len(attributes) % 2 else "error": 5}
    table = table_with(image(**attributes))
    assert write(table, WRITES[name]()) is WriteResult.REFUSED

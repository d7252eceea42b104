"""One suite for the table of requests: the memory twin and both ways to real DynamoDB Local behave alike."""

import asyncio
import functools
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

import pytest

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.wire.item_size import ITEM_MAX_BYTES, item_bytes
from dropslot.core import names
from dropslot.core.item import Unfinished
from dropslot.core.policy import Done, Failed, Outcome, Waiting
from dropslot.core.transitions import (
    Absent,
    AbsentOrAtMost,
    Condition,
    Equals,
    Present,
    Write,
    clear,
    redrive,
    settle,
    suspect,
)
from dropslot.engine.ports import WriteResult
from tests.contract.requests.conftest import Table
from tests.unit.core.images import ACCEPTED_AT_MS, image, state

P = ParamSpec("P")

TEXTS = ["plain", 'it\'s "quoted" \\ `', "line\nbreak\t\x00\x1f", "é🙂\u2028\u2029", "? ; -- $x #if(1)", ""]


def asynchronous(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def unconditional(request_id: str, **sets: str | int) -> Write:
    """Return a write whose only condition is that the request is there."""
    return Write(transition="note", id=request_id, conditions=(Present(names.REQUEST),), sets=dict(sets))


# Reading


@asynchronous
async def test_read_returns_the_state_of_what_is_there(table: Table) -> None:
    """Given some of the ids asked for, once or more often, then each is there once, the others are left out."""
    table.put(image("caller#1", attempt=3, tries=2))
    table.put(image("caller#2", status="failed-0", error="x"))
    table.put(image("caller#3", status="done-f", ttl=5))
    table.put(image("caller#4", tries=None))
    states = await table.requests.read(["caller#1", "caller#2", "missing", "caller#1", "caller#3", "caller#4"])
    assert states == {
        "caller#1": state(id="caller#1", attempt=3, tries=2),
        "caller#2": state(id="caller#2", status="failed", digit="0", settled=True),
        "caller#3": state(id="caller#3", status="done", digit="f", settled=True),
        "caller#4": state(id="caller#4"),
    }


@asynchronous
async def test_read_of_nothing_is_nothing(table: Table) -> None:
    """No call is needed for it."""
    assert await table.requests.read([]) == {}


@asynchronous
async def test_read_takes_any_number(table: Table) -> None:
    """More than the 100 one call takes."""
    ids = [f"caller#{index}" for index in range(230)]
    for request_id in ids[:120]:
        table.put(image(request_id))
    assert set(await table.requests.read(ids)) == set(ids[:120])


@asynchronous
async def test_read_passes_over_what_is_no_request(table: Table) -> None:
    """A ghost with only `ttl`, an item of somebody else, numbers we never write."""
    table.put({"id": {"S": "ghost"}, "ttl": {"N": "5"}})
    table.put({**image("foreign"), "status": {"S": "open"}})
    table.put({**image("fraction"), "attempt": {"N": "1.5"}})
    table.put(image("caller#1"))
    assert set(await table.requests.read(["ghost", "foreign", "fraction", "caller#1"])) == {"caller#1"}


@pytest.mark.parametrize("impossible", ["", "x" * 2049, "é" * 1025])
@asynchronous
async def test_read_of_an_id_no_item_can_have_finds_the_others(table: Table, impossible: str) -> None:
    """Repeating such a read would never help: it isn't there, like any other that is missing."""
    table.put(image("caller#1"))
    assert set(await table.requests.read([impossible, "caller#1"])) == {"caller#1"}


@pytest.mark.parametrize("request_id", ["caller#" + text for text in TEXTS] + ["x" * 2048])
@asynchronous
async def test_ids_of_any_text_are_read_and_written(table: Table, request_id: str) -> None:
    """Quotes, emoji, control characters: an id is never part of a statement."""
    table.put(image(request_id))
    assert set(await table.requests.read([request_id])) == {request_id}
    assert await table.write(unconditional(request_id, note="x")) is WriteResult.APPLIED


# Conditions


HOLDS: list[tuple[Condition, dict[str, Any], bool]] = [
    (Present("ttl"), {"ttl": {"N": "5"}}, True),
    (Present("ttl"), {"ttl": {"NULL": True}}, True),
    (Present("error"), {"error": {"S": ""}}, True),
    (Present("ttl"), {}, False),
    (Absent("ttl"), {}, True),
    (Absent("ttl"), {"ttl": {"N": "5"}}, False),
    (Absent("ttl"), {"ttl": {"NULL": True}}, False),
    (Absent("error"), {"error": {"S": ""}}, False),
    (Equals("attempt", 3), {"attempt": {"N": "3"}}, True),
    (Equals("attempt", 3), {"attempt": {"N": "4"}}, False),
    (Equals("attempt", 3), {"attempt": {"S": "3"}}, False),
    (Equals("note", 0), {}, False),
    (Equals("note", ""), {}, False),
    (Equals("note", ""), {"note": {"S": ""}}, True),
    (Equals("note", "3"), {"note": {"N": "3"}}, False),
    (Equals("accepted_at", ACCEPTED_AT_MS), {}, True),
    (Equals("status", "pending-a"), {}, True),
    (Equals("status", "PENDING-A"), {}, False),
    *((Equals("note", text), {"note": {"S": text}}, True) for text in TEXTS),
    *((Equals("note", text), {"note": {"S": text + "x"}}, False) for text in TEXTS),
    (AbsentOrAtMost("floor", 3), {}, True),
    (AbsentOrAtMost("floor", 3), {"floor": {"N": "2"}}, True),
    (AbsentOrAtMost("floor", 3), {"floor": {"N": "3"}}, True),
    (AbsentOrAtMost("floor", 3), {"floor": {"N": "4"}}, False),
    (AbsentOrAtMost("floor", 9), {"floor": {"N": "10"}}, False),
    (AbsentOrAtMost("floor", 10), {"floor": {"N": "9"}}, True),
    (AbsentOrAtMost("floor", 3), {"floor": {"S": "2"}}, False),
]


@asynchronous
async def test_each_kind_of_condition_holds_and_refuses(table: Table) -> None:
    """Given each condition alone, then a write is applied when it holds, and refused without a trace when not."""
    wrong = []
    for index, (condition, attributes, holds) in enumerate(HOLDS):
        item = {**image(f"caller#{index}"), **attributes}
        table.put(item)
        write = Write(transition="t", id=f"caller#{index}", conditions=(condition,), sets={"mark": 1})
        result = await table.write(write)
        after = table.get(f"caller#{index}")
        expected = (WriteResult.APPLIED, {**item, "mark": {"N": "1"}}) if holds else (WriteResult.REFUSED, item)
        if (result, after) != expected:
            wrong.append((condition, attributes, result))
    assert wrong == []


@asynchronous
async def test_all_conditions_must_hold(table: Table) -> None:
    """One that doesn't is enough to refuse, wherever it stands."""
    table.put(image("caller#1"))
    good: tuple[Condition, ...] = (Present("request"), AbsentOrAtMost("floor", 0), Equals("attempt", 0))
    for place in range(4):
        conditions = (*good[:place], Present("ttl"), *good[place:])
        write = Write(transition="t", id="caller#1", conditions=conditions, sets={"mark": 1})
        assert await table.write(write) is WriteResult.REFUSED
    write = Write(transition="t", id="caller#1", conditions=good, sets={"mark": 1})
    assert await table.write(write) is WriteResult.APPLIED


@pytest.mark.parametrize("conditions", [(), (Absent("ttl"),), (Absent("request"),), (AbsentOrAtMost("floor", 1),)])
@asynchronous
async def test_no_write_creates_an_item(table: Table, conditions: tuple[Condition, ...]) -> None:
    """Even when all its conditions hold for an absent item, or there are none."""
    write = Write(transition="t", id="missing", conditions=conditions, sets={"mark": 1}, removes=("queue",))
    assert await table.write(write) is WriteResult.REFUSED
    assert table.get("missing") is None


# Values


@asynchronous
async def test_values_are_stored_as_they_are(table: Table) -> None:
    """Numbers as N, text as S: quotes, emoji, line separators, control characters, an error of 1 KB."""
    values: list[str | int] = [*TEXTS, "e" * 1024, "é" * 512, "\\'\"" * 341, 0, -1, 2**63, 10**37 + 1, ACCEPTED_AT_MS]
    for index, value in enumerate(values):
        table.put(image(f"caller#{index}"))
        assert await table.write(unconditional(f"caller#{index}", note=value)) is WriteResult.APPLIED
        item = table.get(f"caller#{index}")
        assert item is not None
        assert item["note"] == ({"S": value} if isinstance(value, str) else {"N": str(value)})


@asynchronous
async def test_several_attributes_are_set_and_removed_at_once(table: Table) -> None:
    """Reserved words too; removing what isn't there is nothing."""
    table.put(image("caller#1", last_error="x"))
    write = Write(
        transition="t",
        id="caller#1",
        conditions=(Present("request"),),
        sets={"status": "done-a", "ttl": 5, "result": "[1]"},
        removes=("queue", "last_error", "missing"),
    )
    assert await table.write(write) is WriteResult.APPLIED
    expected = image("caller#1", status="done-a", ttl=5, result="[1]")
    assert table.get("caller#1") == expected


@asynchronous
async def test_a_number_the_table_cannot_hold_is_invalid(table: Table) -> None:
    """More than 38 digits, whatever else is in the batch."""
    for name in ("caller#1", "caller#2"):
        table.put(image(name))
    results = await table.requests.write(
        [unconditional("caller#1", note=10**130 + 1), unconditional("caller#2", note=1)]
    )
    assert list(results) == [WriteResult.INVALID, WriteResult.APPLIED]


# Size


@pytest.mark.parametrize("filling", ["x", "é", "🙂", '"'])
@asynchronous
async def test_an_item_is_full_at_the_same_size(table: Table, filling: str) -> None:
    """Given an item near its limit, then a little below it fits and a little above is too large.

    AWS calls its own count of numbers approximate, so a few bytes don't matter.
    """
    bare = image("caller#1", request="", accepted_at=1_760_000_000_123, due_at=1_760_000_000_123)
    room = ITEM_MAX_BYTES - item_bytes(bare) - 1_000
    item = {**bare, "request": {"S": filling * (room // len(filling.encode()))}}
    left = ITEM_MAX_BYTES - item_bytes({**item, "note": {"S": ""}})
    table.put(item)
    assert await table.write(unconditional("caller#1", note="y" * (left + 8))) is WriteResult.TOO_LARGE
    assert table.get("caller#1") == item
    assert await table.write(unconditional("caller#1", note="y" * (left - 8))) is WriteResult.APPLIED


@asynchronous
async def test_a_condition_is_looked_at_before_the_size(table: Table) -> None:
    """What is refused is refused, however large: nobody makes it smaller and tries again."""
    table.put(image("caller#1"))
    write = Write(transition="t", id="caller#1", conditions=(Present("ttl"),), sets={"note": "x" * ITEM_MAX_BYTES})
    assert await table.write(write) is WriteResult.REFUSED


# Batches


@asynchronous
async def test_a_batch_of_25_is_answered_one_by_one_in_order(table: Table) -> None:
    """Applied, refused and too large stand side by side; one stops no other."""
    assert table.requests.max_batch == 25
    for index in range(25):
        table.put(image(f"caller#{index}"))
    writes = []
    expected = []
    for index in range(25):
        if index % 3 == 0:
            writes.append(unconditional(f"caller#{index}", note=index))
            expected.append(WriteResult.APPLIED)
        elif index % 3 == 1:
            writes.append(Write(transition="t", id=f"caller#{index}", conditions=(Present("ttl"),), sets={"note": 1}))
            expected.append(WriteResult.REFUSED)
        else:
            writes.append(unconditional(f"caller#{index}", note="x" * ITEM_MAX_BYTES))
            expected.append(WriteResult.TOO_LARGE)
    assert list(await table.requests.write(writes[:4])) == expected[:4]
    writes[5:] = [
        write if len(str(write.sets)) < 1_000 else unconditional("missing" + write.id, note=1) for write in writes[5:]
    ]
    expected[5:] = [WriteResult.REFUSED if result is WriteResult.TOO_LARGE else result for result in expected[5:]]
    assert list(await table.requests.write(writes)) == expected


@asynchronous
async def test_a_batch_of_25_full_outcomes_fits_one_call(table: Table) -> None:
    """The largest result for each."""
    for index in range(25):
        table.put(image(f"caller#{index}"))
    writes = [
        settle(state(id=f"caller#{index}"), Done('"' + "x" * 16_382 + '"'), now_ms=1, ttl_seconds=1)
        for index in range(25)
    ]
    assert set(await table.requests.write(writes)) == {WriteResult.APPLIED}


@asynchronous
async def test_no_writes_have_no_results(table: Table) -> None:
    """An empty batch is answered with nothing."""
    assert list(await table.requests.write([])) == []


@pytest.mark.parametrize("ids", [["1", "1"], ["1", "2", "1"], [str(index) for index in range(26)]])
@asynchronous
async def test_a_batch_against_the_rules_is_a_fault_and_writes_nothing(table: Table, ids: list[str]) -> None:
    """The table would fail it after some writes were made: it is never sent."""
    for request_id in set(ids):
        table.put(image(request_id))
    with pytest.raises(ValueError, match="25"):
        await table.requests.write([unconditional(request_id, note=1) for request_id in ids])
    assert all("note" not in (table.get(request_id) or {}) for request_id in ids)


# The index


@asynchronous
async def test_unfinished_returns_what_is_due_oldest_first(table: Table) -> None:
    """Of one queue, up to and including the time, up to the limit."""
    for request_id, due_at in (("c", 30), ("a", 10), ("d", 40), ("b", 20)):
        table.put(image(request_id, status="waiting-a", due_at=due_at, tries=1))
    table.put(image("other digit", status="waiting-b", due_at=10))
    table.put(image("other status", status="pending-a", due_at=10))
    table.put(image("done", status="done-a", due_at=10, ttl=5))

    async def ids(due_before_ms: int, limit: int = 10) -> list[str]:
        rows = await table.requests.unfinished("waiting-a", due_before_ms=due_before_ms, limit=limit)
        return [row.state.id for row in rows]

    assert await ids(9) == []
    assert await ids(10) == ["a"]
    assert await ids(30) == ["a", "b", "c"]
    assert await ids(99, limit=2) == ["a", "b"]
    rows = await table.requests.unfinished("waiting-a", due_before_ms=10, limit=10)
    assert list(rows) == [Unfinished(state=state(id="a", status="waiting", tries=1), due_at=10)]


@asynchronous
async def test_unfinished_goes_on_after_a_row(table: Table) -> None:
    """Given pages of two, rows of one moment among them, then each row comes once, and nothing after the last."""
    for index, due_at in enumerate((10, 20, 20, 20, 20, 30, 40)):
        table.put(image(f"caller#{index}", status="waiting-a", due_at=due_at))
    table.put(image("caller#later", status="waiting-a", due_at=41))
    found: list[Unfinished] = []
    while page := await table.requests.unfinished(
        "waiting-a", due_before_ms=40, limit=2, after=found[-1] if found else None
    ):
        assert len(page) <= 2
        found += page
    assert sorted(row.state.id for row in found) == [f"caller#{index}" for index in range(7)]
    assert [row.due_at for row in found] == [10, 20, 20, 20, 20, 30, 40]


@asynchronous
async def test_unfinished_looks_behind_pages_of_foreign_rows(table: Table) -> None:
    """An empty answer means that there is no more, not that this page held nothing of ours."""
    for index in range(7):
        table.put({**image(f"foreign#{index}", status="waiting-a", due_at=index), "attempt": {"S": "x"}})
    table.put(image("caller#1", status="waiting-a", due_at=9))
    rows = await table.requests.unfinished("waiting-a", due_before_ms=10, limit=2)
    assert [row.state.id for row in rows] == ["caller#1"]


@asynchronous
async def test_unfinished_passes_over_what_is_no_request(table: Table) -> None:
    """Rows that somebody else wrote: never a crash."""
    table.put({**image("fraction", status="waiting-a"), "due_at": {"N": "1.5"}})
    table.put({**image("text", status="waiting-a", due_at=2), "attempt": {"S": "x"}})
    table.put({**image("bare", status="waiting-a", due_at=3, accepted_at=None)})
    table.put(image("caller#1", status="waiting-a", due_at=4))
    rows = await table.requests.unfinished("waiting-a", due_before_ms=10, limit=10)
    assert [row.state.id for row in rows] == ["caller#1"]


@asynchronous
async def test_each_transition_moves_the_row_in_the_index(table: Table) -> None:
    """Pending, waiting, pending again, failed: one row, in the queue of its status; done: none."""
    table.put(image("caller#1", due_at=1))

    async def queues() -> list[str]:
        found = []
        for status in (names.PENDING, names.WAITING, names.FAILED, names.DONE):
            rows = await table.requests.unfinished(f"{status}-a", due_before_ms=2**60, limit=10)
            found += [f"{status}@{row.due_at}" for row in rows]
        return found

    one = state(id="caller#1")
    assert await queues() == ["pending@1"]
    assert await table.write(settle(one, Waiting("busy", 5), now_ms=10, ttl_seconds=1)) is WriteResult.APPLIED
    assert await queues() == ["waiting@15"]
    (row,) = await table.requests.unfinished("waiting-a", due_before_ms=15, limit=10)
    assert await table.write(redrive(row, due_at=20)) is WriteResult.APPLIED
    assert await queues() == ["pending@20"]
    again = state(id="caller#1", attempt=1, tries=1)
    assert await table.write(settle(again, Failed("no"), now_ms=30, ttl_seconds=1)) is WriteResult.APPLIED
    assert await queues() == ["failed@30"]
    table.put(image("caller#1", due_at=1))
    assert await table.write(settle(one, Done(None), now_ms=40, ttl_seconds=1)) is WriteResult.APPLIED
    assert await queues() == []


# The transitions, on both sides alike

OUTCOMES: list[Outcome] = [
    Done(None),
    Done('{"a":"\\u2028"}'),
    Failed("why 'quoted' 🙂"),
    Failed("x" * 3_000),
    Waiting('busy\n"', 5_000),
]
BEGINNINGS: list[dict[str, str | int | None]] = [
    {},
    {"starts": 1},
    {"attempt": 2},
    {"floor": 0},
    {"floor": 1},
    {"status": "waiting-a", "tries": 1, "last_error": "x"},
    {"status": "failed-a", "error": "x"},
    {"status": "failed-a", "error": ""},
    {"status": "done-a", "ttl": 5},
    {"accepted_at": 5},
    {"request": None},
    {"accepted_at": None},
    {"due_at": 7},
    {"queue": None},
]


@asynchronous
async def test_every_transition_makes_the_items_the_twin_makes(table: Table) -> None:
    """Given every beginning and every write, then result and item equal those of the twin."""
    twin = MemoryRequests()
    now_ms = ACCEPTED_AT_MS + 9
    rows = [{"status": "pending"}, {"status": "waiting"}, {"status": "pending", "attempt": 2}]
    moves: list[Callable[[str], Write]] = [
        *(
            lambda key, outcome=outcome: settle(state(id=key), outcome, now_ms=now_ms, ttl_seconds=300)
            for outcome in OUTCOMES
        ),
        *(
            lambda key, row=row: redrive(Unfinished(state=state(id=key, **row), due_at=ACCEPTED_AT_MS), due_at=now_ms)
            for row in rows
        ),
        lambda key: suspect(state(id=key), now_ms=now_ms),
        lambda key: suspect(state(id=key, starts=1), now_ms=now_ms),
        lambda key: clear(state(id=key, starts=1), now_ms=now_ms),
        lambda key: settle(state(id=key, starts=1), Waiting("busy", 5), now_ms=now_ms, ttl_seconds=300),
    ]
    differing = []
    for number, (start, (place, move)) in enumerate(itertools.product(BEGINNINGS, enumerate(moves))):
        key = f"caller#{number}"
        item = image(key, **start)
        twin.put(item)
        table.put(item)
        write = move(key)
        expected = ((await twin.write([write]))[0], twin.items[key])
        if (await table.write(write), table.get(key)) != expected:
            differing.append((start, place))
    assert differing == []


@asynchronous
async def test_count_unfinished_counts_one_queue(table: Table) -> None:
    """All of it or what is due, beyond a page, up to the limit."""
    for index in range(30):
        table.put(image(f"caller#{index}", status="waiting-a", due_at=index))
    table.put(image("other digit", status="waiting-b", due_at=1))
    table.put(image("done", status="done-a", due_at=1, ttl=5))
    assert await table.requests.count_unfinished("waiting-a", limit=1000) == 30
    assert await table.requests.count_unfinished("waiting-a", due_before_ms=9, limit=1000) == 10
    assert await table.requests.count_unfinished("waiting-a", limit=7) == 7
    assert await table.requests.count_unfinished("waiting-c", limit=7) == 0

"""What the holder of a journal writes, on every side of the table: the twin, and both ways to the real one."""

import itertools
from typing import Any, Final

import pytest

from dropslot.adapters.journal.memory import MemoryJournal
from dropslot.adapters.wire.item_size import ITEM_MAX_BYTES, item_bytes
from dropslot.core import journal_writes as writes
from dropslot.core.errors import JournalFullError
from dropslot.core.journal import Key, Lease
from dropslot.engine.journal_port import Answer
from tests.contract.journal.conftest import Table
from tests.contract.journal.scene import ENDING, KEEPING, KEY, LATER, OURS, OWNED, THEIRS, entry, half_way, step
from tests.unit.engine.doubles import asynchronous

TEXTS: Final = ["plain", 'it\'s "quoted" \\ `', "line\nbreak\t\x00\x1f", "é🙂\u2028\u2029", "#steps[0] :0 {}", ""]

FIRST, SECOND = half_way()["steps"]["L"]
#: What each write makes of an item that is half-way.
EXPECTED: Final[dict[str, dict[str, Any]]] = {
    "renew": half_way(lease_until={"N": str(LATER)}),
    "finish": half_way(steps={"L": [FIRST, SECOND, {"M": {**FIRST["M"], "name": {"S": "ship"}}}]}),
    "turn": half_way(undoing={"N": "1"}, error={"S": "ValueError: no such street"}),
    "undone": half_way(steps={"L": [FIRST, {"M": {**SECOND["M"], "undone_at": {"N": str(LATER)}}}]}),
    "not_undone": half_way(steps={"L": [FIRST, {"M": {**SECOND["M"], "undo_error": {"S": "ValueError: too late"}}}]}),
    "release": half_way(None),
    "release undo_tries": half_way(None, undo_tries={"N": "3"}),
    "close_done": half_way(
        None,
        closed={"S": "done"},
        closed_by={"S": "a1"},
        result={"S": '{"parcel":7}'},
        ttl={"N": "1900000000"},
    ),
    "close_done None": half_way(None, closed={"S": "done"}, closed_by={"S": "a1"}, ttl={"N": "1900000000"}),
    "close_failed": half_way(None, closed={"S": "failed"}, closed_by={"S": "a1"}, error={"S": "no such street"}),
    "close_undone": half_way(None, closed={"S": "undone"}, closed_by={"S": "a1"}, error={"S": "no such street"}),
    "close_stuck": half_way(None, closed={"S": "stuck"}, closed_by={"S": "a1"}, error={"S": "not undone: reserve"}),
}


@pytest.mark.parametrize("kind", OWNED)
@asynchronous
async def test_each_write_of_the_holder_changes_what_it_says(table: Table, kind: str) -> None:
    """Given a held journal, when its holder writes, then the item has what the write says, and no more is told."""
    table.put(half_way())
    assert await table.journal.write(OWNED[kind](KEY, OURS)) == Answer(applied=True)
    assert table.get(KEY) == EXPECTED[kind]


@pytest.mark.parametrize("kind", KEEPING)
@asynchronous
async def test_a_write_that_keeps_it_can_be_repeated(table: Table, kind: str) -> None:
    """Given a write whose answer was lost, when it is repeated, then it is applied, and changes nothing more."""
    table.put(half_way())
    for _ in range(3):
        assert (await table.journal.write(KEEPING[kind](KEY, OURS))).applied
        assert table.get(KEY) == EXPECTED[kind]


@pytest.mark.parametrize("kind", ENDING)
@asynchronous
async def test_a_write_that_ends_it_is_known_again(table: Table, kind: str) -> None:
    """Given an end whose answer was lost, when it is repeated, then nothing changes, and who closed it is told."""
    table.put(half_way())
    await table.journal.write(ENDING[kind](KEY, OURS))
    answer = await table.journal.write(ENDING[kind](KEY, OURS))
    assert table.get(KEY) == EXPECTED[kind]
    assert not answer.applied
    assert answer.entry is not None
    assert (answer.entry.owner, answer.entry.closed_by) == ("", "a1" if kind.startswith("close") else "")


@pytest.mark.parametrize("kind", OWNED)
@asynchronous
async def test_nobody_else_writes(table: Table, kind: str) -> None:
    """Given a held journal, and one that nobody holds, when a foreign owner writes, then it stays as it is."""
    for item, present in ((half_way(), entry()), (half_way(None), entry(owner="", lease_until=0))):
        table.put(item)
        answer = await table.journal.write(OWNED[kind](KEY, THEIRS))
        assert (answer.applied, answer.entry) == (False, present)
        assert table.get(KEY) == item


@pytest.mark.parametrize("kind", OWNED)
@asynchronous
async def test_no_write_of_a_holder_makes_a_journal(table: Table, kind: str) -> None:
    """Given no journal, when somebody writes as if there were, then there is still none."""
    assert await table.journal.write(OWNED[kind](KEY, OURS)) == Answer(applied=False)
    assert table.get(KEY) is None


@asynchronous
async def test_the_life_of_a_run_that_is_done(table: Table) -> None:
    """Given a run, when its steps are finished one by one and it is closed, then all of it can be read, in order."""
    await table.journal.write(writes.begin(KEY, OURS, attempt=0))
    names = [f"step {number}" for number in range(30)]
    for index, name in enumerate(names):
        until = Lease(owner="a1", until_ms=LATER + index)
        assert (await table.journal.write(writes.finish(KEY, until, index=index, step=step(name)))).applied
    assert (await table.journal.write(writes.close_done(KEY, "a1", result="[1]", ttl=5))).applied
    found = await table.journal.newest(KEY.id, KEY.accepted_at)
    assert found == entry(
        attempt=0,
        began=0,
        owner="",
        lease_until=0,
        steps=tuple(step(name) for name in names),
        closed="done",
        closed_by="a1",
        result="[1]",
    )


@asynchronous
async def test_the_life_of_a_run_that_is_undone(table: Table) -> None:
    """Given finished steps, when one isn't undone at first, and the run is closed twice, then all of that is there."""
    table.put(half_way())
    made = [
        writes.turn(KEY, OURS, error="no such street"),
        writes.undone(KEY, OURS, index=1, at_ms=LATER),
        writes.not_undone(KEY, OURS, index=0, error="too late"),
        writes.release(KEY, "a1", undo_tries=1),
    ]
    assert [(await table.journal.write(write)).applied for write in made] == [True] * 4
    seen = await table.journal.newest(KEY.id, KEY.accepted_at)
    undone = step("charge", "[2]", undone_at=LATER)
    assert seen == entry(
        owner="",
        lease_until=0,
        undoing=True,
        error="no such street",
        undo_tries=1,
        steps=(step(undo_error="too late"), undone),
    )
    again = [
        writes.take(seen, THEIRS, attempt=2),
        writes.close_stuck(KEY, "b2", error="not undone: reserve"),
        writes.take(entry(attempt=2, owner="", lease_until=0, closed="stuck"), OURS, attempt=3),
        writes.undone(KEY, OURS, index=0, at_ms=LATER + 1),
        writes.close_undone(KEY, "a1", error="no such street"),
    ]
    assert [(await table.journal.write(write)).applied for write in again] == [True] * 5
    assert await table.journal.newest(KEY.id, KEY.accepted_at) == entry(
        attempt=3,
        owner="",
        lease_until=0,
        undoing=True,
        error="no such street",
        steps=(step(undo_error="too late", undone_at=LATER + 1), undone),
        closed="undone",
        closed_by="a1",
    )


@pytest.mark.parametrize("text", TEXTS)
@asynchronous
async def test_any_text_is_kept_as_it_is(table: Table, text: str) -> None:
    """Quotes, emoji, control characters, what looks like an expression: in keys, owners, names, results and errors."""
    key = Key(id=f"caller#{text}", accepted_at=5, run=0)
    lease = Lease(owner=f"a{text}", until_ms=9)
    made = [
        writes.begin(key, lease, attempt=0),
        writes.finish(key, lease, index=0, step=step(text, text)),
        writes.not_undone(key, lease, index=0, error=text),
        writes.turn(key, lease, error=text),
        writes.close_done(key, lease.owner, result=text, ttl=5),
    ]
    assert [(await table.journal.write(write)).applied for write in made] == [True] * 5
    assert await table.journal.newest(key.id, 5) == entry(
        key=key,
        attempt=0,
        began=0,
        owner="",
        lease_until=0,
        steps=(step(text, text, undo_error=text),),
        undoing=True,
        error=text,
        closed="done",
        closed_by=lease.owner,
        result=text,
    )


@asynchronous
async def test_every_write_makes_the_items_the_twin_makes(table: Table) -> None:
    """Given every beginning and every write, then answer and item equal those of the twin."""
    beginnings: list[dict[str, Any] | None] = [
        None,
        half_way(),
        half_way(THEIRS),
        half_way(None),
        half_way(undoing={"N": "1"}, error={"S": "no"}, undo_tries={"N": "4"}),
        half_way(None, closed={"S": "undone"}, closed_by={"S": "b2"}, error={"S": "no"}),
        half_way(steps={"L": [FIRST, SECOND, FIRST]}),
        half_way(attempt={"N": "2"}, began={"N": "0"}),
    ]
    moves = [
        *(make(KEY, OURS) for make in OWNED.values()),
        writes.begin(KEY, OURS, attempt=3),
        writes.take(entry(), THEIRS, attempt=3),
        writes.take(entry(owner="", lease_until=0), THEIRS, attempt=3),
    ]
    differing = []
    for number, write in itertools.product(range(len(beginnings)), moves):
        twin, item = MemoryJournal(), beginnings[number]
        table.delete(KEY)
        if item is not None:
            twin.put(item)
            table.put(item)
        expected = (await twin.write(write), twin.items.get((KEY.id, KEY.sort)))
        if (await table.journal.write(write), table.get(KEY)) != expected:
            differing.append((number, write.kind))
    assert differing == []


# Size


@pytest.mark.parametrize("filling", ["x", "é", "🙂"])
@asynchronous
async def test_a_journal_is_full_at_the_same_size(table: Table, filling: str) -> None:
    """Given a journal with as many results as it can hold, then one more is told, and nothing is written."""
    twin = MemoryJournal()
    await twin.write(writes.begin(KEY, OURS, attempt=0))
    await table.journal.write(writes.begin(KEY, OURS, attempt=0))
    result = filling * (32_000 // len(filling.encode()))
    fitting = 12
    for index in range(fitting):
        write = writes.finish(KEY, OURS, index=index, step=step(f"step {index}", result))
        assert await table.journal.write(write) == await twin.write(write) == Answer(applied=True)
    full = table.get(KEY)
    for journal in (twin, table.journal):
        with pytest.raises(JournalFullError, match="no room"):
            await journal.write(writes.finish(KEY, OURS, index=fitting, step=step("one more", result)))
    assert table.get(KEY) == full == twin.items[KEY.id, KEY.sort]


@asynchronous
async def test_a_step_fits_to_a_few_bytes(table: Table) -> None:
    """Given a journal of many small steps, then the last one fits, or doesn't, at the size that the twin counts."""
    twin = MemoryJournal()
    small = {"M": {**FIRST["M"], "result": {"S": "x" * 3_900}}}
    item = half_way(steps={"L": [small] * 100})
    bare = {**item, "steps": {"L": [*item["steps"]["L"], {"M": {**FIRST["M"], "result": {"S": ""}}}]}}
    left = ITEM_MAX_BYTES - item_bytes(bare)
    assert 0 < left < 20_000
    for journal, put in ((twin, twin.put), (table.journal, table.put)):
        put(item)
        with pytest.raises(JournalFullError):
            await journal.write(writes.finish(KEY, OURS, index=100, step=step(result="y" * (left + 8))))
        assert (await journal.write(writes.finish(KEY, OURS, index=100, step=step(result="y" * (left - 8))))).applied


@asynchronous
async def test_a_full_journal_takes_what_is_small(table: Table) -> None:
    """Given a journal without room for a result, then what is small enough is written, and it can be let go of."""
    results = ITEM_MAX_BYTES - 600
    table.put(half_way(steps={"L": [{"M": {**FIRST["M"], "result": {"S": "x" * results}}}]}))
    for write in (
        writes.finish(KEY, OURS, index=1, step=step("charge", "x" * 500)),
        writes.turn(KEY, OURS, error="x" * 1_000),
        writes.close_done(KEY, "a1", result="x" * 500, ttl=5),
    ):
        with pytest.raises(JournalFullError):
            await table.journal.write(write)
    for write in (
        writes.finish(KEY, OURS, index=1, step=step("charge", "1")),
        writes.undone(KEY, OURS, index=1, at_ms=LATER),
        writes.turn(KEY, OURS, error="no such street"),
        writes.close_undone(KEY, "a1", error="no such street"),
    ):
        assert (await table.journal.write(write)).applied


@asynchronous
async def test_a_condition_is_looked_at_before_the_size(table: Table) -> None:
    """Given a result without room, of a worker that was overtaken, then that is what it is told."""
    table.put(half_way(THEIRS))
    large = writes.finish(KEY, OURS, index=2, step=step("ship", "x" * (ITEM_MAX_BYTES - 200)))
    assert not (await table.journal.write(large)).applied


@asynchronous
async def test_a_result_that_no_journal_can_hold_is_told(table: Table) -> None:
    """Given a result larger than an item, then its size is told before any condition is looked at."""
    endless = writes.finish(KEY, OURS, index=0, step=step("ship", "x" * (ITEM_MAX_BYTES + 1)))
    for item in (None, half_way(THEIRS), half_way()):
        if item is not None:
            table.put(item)
        with pytest.raises(JournalFullError):
            await table.journal.write(endless)
        assert table.get(KEY) == item

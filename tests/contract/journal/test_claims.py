"""Who gets a journal, on every side of the table: the twin, and both ways to the real one."""

import asyncio
import itertools
from typing import Any, Final

import pytest

from dropslot.core import journal_writes as writes
from dropslot.core.journal import Entry, Lease
from tests.contract.journal.conftest import Table
from tests.contract.journal.scene import KEY, LATER, OURS, OWNED, THEIRS, entry, half_way
from tests.unit.engine.doubles import asynchronous

#: The states in which somebody may want it, as item and as entry.
STATES: Final[dict[str, tuple[dict[str, Any], Entry]]] = {
    "held": (half_way(), entry()),
    "let go": (half_way(None), entry(owner="", lease_until=0)),
    "turned": (
        half_way(undoing={"N": "1"}, error={"S": ""}, undo_tries={"N": "2"}),
        entry(undoing=True, undo_tries=2),
    ),
    "done": (
        half_way(None, closed={"S": "done"}, closed_by={"S": "a1"}, result={"S": "[7]"}, ttl={"N": "9"}),
        entry(owner="", lease_until=0, closed="done", closed_by="a1", result="[7]"),
    ),
    "failed": (
        half_way(None, closed={"S": "failed"}, closed_by={"S": "a1"}, error={"S": "no"}),
        entry(owner="", lease_until=0, closed="failed", closed_by="a1", error="no"),
    ),
    "undone": (
        half_way(None, undoing={"N": "1"}, closed={"S": "undone"}, closed_by={"S": "a1"}, error={"S": "no"}),
        entry(owner="", lease_until=0, undoing=True, closed="undone", closed_by="a1", error="no"),
    ),
    "stuck": (
        half_way(None, undoing={"N": "1"}, closed={"S": "stuck"}, closed_by={"S": "a1"}, error={"S": "left"}),
        entry(owner="", lease_until=0, undoing=True, closed="stuck", closed_by="a1", error="left"),
    ),
}


@asynchronous
async def test_a_run_begins_with_its_claim(table: Table) -> None:
    """Given no journal, when a worker begins one, then it is there, empty and held, and the worker is told so."""
    answer = await table.journal.write(writes.begin(KEY, OURS, attempt=3))
    begun = entry(attempt=3, began=3, steps=())
    assert (answer.applied, answer.entry) == (True, begun)
    assert table.get(KEY) == half_way(attempt={"N": "3"}, began={"N": "3"}, steps={"L": []})
    assert await table.journal.newest(KEY.id, KEY.accepted_at) == begun


@asynchronous
async def test_who_begins_again_finds_what_is_there(table: Table) -> None:
    """Given a journal, when its owner repeats the beginning, or another begins it, then nothing changes."""
    table.put(half_way())
    for lease in (OURS, THEIRS):
        answer = await table.journal.write(writes.begin(KEY, lease, attempt=5))
        assert (answer.applied, answer.entry) == (False, entry())
    assert table.get(KEY) == half_way()


@pytest.mark.parametrize("name", STATES)
@asynchronous
async def test_what_was_seen_can_be_taken(table: Table, name: str) -> None:
    """Given a journal as it was seen, when it is taken, then it is held and open, and nothing else has changed."""
    item, seen = STATES[name]
    table.put(item)
    answer = await table.journal.write(writes.take(seen, THEIRS, attempt=4))
    kept = {key: value for key, value in item.items() if key not in ("closed", "closed_by", "ttl")}
    taken = {"attempt": {"N": "4"}, "owner": {"S": "b2"}, "lease_until": {"N": str(THEIRS.until_ms)}}
    assert table.get(KEY) == kept | taken
    assert answer.applied
    assert answer.entry is not None
    assert answer.entry == await table.journal.newest(KEY.id, KEY.accepted_at)
    assert (answer.entry.owner, answer.entry.attempt, answer.entry.closed) == ("b2", 4, "")
    assert (answer.entry.began, answer.entry.steps, answer.entry.undoing) == (1, seen.steps, seen.undoing)


@pytest.mark.parametrize("name", STATES)
@asynchronous
async def test_what_an_operator_asked_for_is_used_up_by_going_on(table: Table, name: str) -> None:
    """Given a run that is taken since an operator wants more, then it begins there, unless it is only to be undone."""
    item, seen = STATES[name]
    table.put(item)
    answer = await table.journal.write(writes.take(seen, THEIRS, attempt=4, rerun=3))
    assert answer.entry is not None
    assert answer.entry.began == (1 if seen.undoing else 4)
    assert answer.entry == await table.journal.newest(KEY.id, KEY.accepted_at)


@pytest.mark.parametrize("name", STATES)
@asynchronous
async def test_an_earlier_run_can_expire_as_it_was_seen(table: Table, name: str) -> None:
    """Given a run that a later one has followed, when it is to go with that, then it gets a time, and no more."""
    item, seen = STATES[name]
    table.put(item)
    for _ in range(2):
        assert (await table.journal.write(writes.expire(seen, ttl=1_900_000_000))).applied
        assert table.get(KEY) == {**item, "ttl": {"N": "1900000000"}}
    table.put({**item, "attempt": {"N": "9"}})
    assert not (await table.journal.write(writes.expire(seen, ttl=5))).applied
    assert table.get(KEY) == {**item, "attempt": {"N": "9"}}


@pytest.mark.parametrize(
    ("before", "now"),
    [pair for pair in itertools.permutations(STATES, 2) if set(pair) != {"held", "turned"}],
)
@asynchronous
async def test_what_has_moved_since_cannot_be_taken(table: Table, before: str, now: str) -> None:
    """Given a journal in one state, when it is taken as seen in another, then nothing changes, and the present is told.

    Its direction is none of the condition: whoever takes it is told what it is.
    """
    item, present = STATES[now]
    table.put(item)
    answer = await table.journal.write(writes.take(STATES[before][1], THEIRS, attempt=4))
    assert (answer.applied, answer.entry) == (False, present)
    assert table.get(KEY) == item


@pytest.mark.parametrize(
    "changed",
    [
        {"attempt": {"N": "2"}},
        {"owner": {"S": "a2"}},
        {"lease_until": {"N": str(LATER)}},
        {"closed": {"S": "done"}},
        {"owner": None, "lease_until": None},
    ],
    ids=["attempt", "owner", "renewed", "closed", "let go"],
)
@asynchronous
async def test_each_part_of_what_was_seen_counts(table: Table, changed: dict[str, Any]) -> None:
    """Given a journal of which one thing is no longer as it was seen, then it can't be taken."""
    item = half_way(**changed)
    table.put(item)
    answer = await table.journal.write(writes.take(entry(), THEIRS, attempt=4))
    assert not answer.applied
    assert table.get(KEY) == item


@asynchronous
async def test_what_has_gone_cannot_be_taken(table: Table) -> None:
    """Given a journal that was deleted since, then nobody stands in the way, and none is made."""
    for _, seen in STATES.values():
        answer = await table.journal.write(writes.take(seen, THEIRS, attempt=4))
        assert (answer.applied, answer.entry) == (False, None)
    assert table.get(KEY) is None


@asynchronous
async def test_of_many_who_begin_at_once_one_does(table: Table) -> None:
    """Given eight workers, when all begin the run at once, then one has it, and the others are told who."""
    leases = [Lease(owner=f"w{number}", until_ms=LATER) for number in range(8)]
    answers = await asyncio.gather(*(table.journal.write(writes.begin(KEY, one, attempt=1)) for one in leases))
    assert sorted(answer.applied for answer in answers) == [False] * 7 + [True]
    (owner,) = {answer.entry.owner for answer in answers if answer.entry is not None}
    assert answers[[lease.owner for lease in leases].index(owner)].applied


@pytest.mark.parametrize("name", STATES)
@asynchronous
async def test_of_many_who_take_at_once_one_does(table: Table, name: str) -> None:
    """Given eight workers who saw the same, when all take it at once, then one has it, and the others know who."""
    item, seen = STATES[name]
    table.put(item)
    leases = [Lease(owner=f"w{number}", until_ms=LATER) for number in range(8)]
    answers = await asyncio.gather(*(table.journal.write(writes.take(seen, one, attempt=1)) for one in leases))
    assert sorted(answer.applied for answer in answers) == [False] * 7 + [True]
    (owner,) = {answer.entry.owner for answer in answers if answer.entry is not None}
    assert answers[[lease.owner for lease in leases].index(owner)].applied


@asynchronous
async def test_a_holder_and_a_taker_at_once_do_not_both_win(table: Table) -> None:
    """Given a renewal and a claim on the lease that is renewed, when both are made at once, then one is refused."""
    for _ in range(10):
        table.put(half_way())
        renewed, taken = await asyncio.gather(
            table.journal.write(writes.renew(KEY, Lease(owner="a1", until_ms=LATER))),
            table.journal.write(writes.take(entry(), THEIRS, attempt=2)),
        )
        assert renewed.applied is not taken.applied


@pytest.mark.parametrize("kind", OWNED)
@asynchronous
async def test_who_was_overtaken_moves_nothing(table: Table, kind: str) -> None:
    """Given a journal that another worker has taken, when its former owner writes, then it is told whose it is."""
    table.put(half_way())
    assert (await table.journal.write(writes.take(entry(), THEIRS, attempt=2))).applied
    taken = table.get(KEY)
    answer = await table.journal.write(OWNED[kind](KEY, OURS))
    theirs = entry(attempt=2, owner="b2", lease_until=THEIRS.until_ms)
    assert (answer.applied, answer.entry) == (False, theirs)
    assert table.get(KEY) == taken

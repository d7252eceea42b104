"""Which of a request's journals is found, on every side of the table: the twin, and both ways to the real one."""

import random

import pytest

from dropslot.core import journal_writes as writes
from dropslot.core.errors import TransientError
from dropslot.core.journal import Key
from tests.contract.journal.conftest import Table
from tests.contract.journal.scene import KEY, OURS, half_way, step
from tests.unit.engine.doubles import asynchronous


async def begin(table: Table, *keys: Key) -> None:
    """Begin runs."""
    for key in keys:
        assert (await table.journal.write(writes.begin(key, OURS, attempt=key.run))).applied


@asynchronous
async def test_without_a_journal_there_is_none(table: Table) -> None:
    """Given no journal at all, and then one of another request, then none is found."""
    await begin(table, Key(id="caller#orders#other", accepted_at=KEY.accepted_at, run=0))
    assert await table.journal.newest(KEY.id, KEY.accepted_at) is None
    assert list(await table.journal.runs(KEY.id, KEY.accepted_at)) == []


@asynchronous
async def test_the_last_of_many_runs_is_the_newest(table: Table) -> None:
    """Given a dozen runs, begun in any order, then the one with the highest number is found, and all come in order."""
    keys = [Key(id=KEY.id, accepted_at=KEY.accepted_at, run=run) for run in (*range(12), 100, 1_000)]
    await begin(table, *random.Random(7).sample(keys, len(keys)))
    newest = await table.journal.newest(KEY.id, KEY.accepted_at)
    assert newest is not None
    assert newest.key == keys[-1]
    assert [run.key for run in await table.journal.runs(KEY.id, KEY.accepted_at)] == keys


@asynchronous
async def test_only_the_generation_asked_for_is_found(table: Table) -> None:
    """Given journals of requests that had the same id, and of ids and times that begin alike, then none is mistaken."""
    mine = Key(id="caller#orders#a", accepted_at=17, run=1)
    others = [
        Key(id="caller#orders#a", accepted_at=170, run=5),
        Key(id="caller#orders#a", accepted_at=1, run=6),
        Key(id="caller#orders#a", accepted_at=18, run=7),
        Key(id="caller#orders#a#17", accepted_at=17, run=8),
        Key(id="caller#orders", accepted_at=17, run=9),
    ]
    await begin(table, mine, *others)
    newest = await table.journal.newest(mine.id, 17)
    assert newest is not None
    assert newest.key == mine
    assert [run.key for run in await table.journal.runs(mine.id, 17)] == [mine]
    assert await table.journal.newest(mine.id, 16) is None


@asynchronous
async def test_what_was_written_is_seen_at_once(table: Table) -> None:
    """Given a step after the other, then each is there as soon as it was answered."""
    await begin(table, KEY)
    for index in range(20):
        await table.journal.write(writes.finish(KEY, OURS, index=index, step=step(f"step {index}")))
        newest = await table.journal.newest(KEY.id, KEY.accepted_at)
        assert newest is not None
        assert [one.name for one in newest.steps] == [f"step {number}" for number in range(index + 1)]


@asynchronous
async def test_runs_of_any_size_are_all_found(table: Table) -> None:
    """Given full journals that together pass what one call returns, then none is missed, and the newest is the last."""
    keys = [Key(id=KEY.id, accepted_at=KEY.accepted_at, run=run) for run in range(6)]
    for key in keys:
        full = {"M": {"name": {"S": "reserve"}, "result": {"S": "x" * 390_000}, "at": {"N": "5"}}}
        table.put(half_way(run={"S": key.sort}, steps={"L": [full]}))
    assert [run.key for run in await table.journal.runs(KEY.id, KEY.accepted_at)] == keys
    newest = await table.journal.newest(KEY.id, KEY.accepted_at)
    assert newest is not None
    assert newest.key == keys[-1]


@pytest.mark.parametrize("impossible", ["", "x" * 2_049, "é" * 1_025])
@asynchronous
async def test_an_id_no_request_can_have_has_no_journal(table: Table, impossible: str) -> None:
    """Asking again would never help."""
    assert await table.journal.newest(impossible, 5) is None
    assert list(await table.journal.runs(impossible, 5)) == []


@asynchronous
async def test_the_longest_id_has_its_journal(table: Table) -> None:
    """Given the longest key that a request can have, then its journal is written and found."""
    key = Key(id="x" * 2_048, accepted_at=2**53, run=9_999)
    await begin(table, key)
    newest = await table.journal.newest(key.id, key.accepted_at)
    assert newest is not None
    assert newest.key == key


@asynchronous
async def test_what_is_no_journal_is_told(table: Table) -> None:
    """Given items that somebody else has written, then the request is left open, and the reason names the key."""
    broken = [
        half_way(attempt=None),
        half_way(began={"S": "x"}),
        half_way(steps=None),
        half_way(steps={"L": [{"S": "x"}]}),
        half_way(attempt={"N": "1.5"}),
        half_way(run={"S": f"{KEY.accepted_at}#x"}),
    ]
    for item in broken:
        table.put(item)
        with pytest.raises(TransientError, match=KEY.id):
            await table.journal.newest(KEY.id, KEY.accepted_at)
        with pytest.raises(TransientError, match=KEY.id):
            await table.journal.runs(KEY.id, KEY.accepted_at)
        table.delete(KEY)

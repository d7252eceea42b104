"""Redriving failed requests over a table that throttles, goes away and changes."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.wire.service_error import ServiceError
from dropslot.core.errors import TransientError
from dropslot.core.transitions import Insert, Write, restore
from dropslot.engine.backoff import Backoff
from dropslot.engine.ports import WriteResult
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.redrive import GIVE_UP_SECONDS, Fate, Redrive, Redriver
from dropslot.operate.retrying import as_retried
from dropslot.operate.row import Row
from tests.unit.core.images import Image, image, parsed
from tests.unit.engine.doubles import FlakyRequests, VirtualClock, asynchronous, settle


class Bench:
    """Failed requests in a table under faults, and who redrives them."""

    def __init__(self, count: int, *, per_second: float = 1_000.0) -> None:
        self.table = MemoryRequests()
        for index in range(count):
            self.table.put(image(f"-#orders#{index}", status="failed-a", error="busy", tries=3))
        self.requests = FlakyRequests(self.table)
        self.clock = VirtualClock()
        self.redriver = Redriver(
            requests=self.requests, clock=self.clock, backoff=Backoff(max_seconds=1), per_second=per_second
        )
        rows = [Row.from_item(item) for item in self.table.items.values()]
        self.redrives = [as_retried(row) for row in rows if row is not None]

    async def redrive(self, *, seconds: float = 0.0) -> dict[str, Fate]:
        """Redrive all, time moving on as long as it takes, or for as long as given."""
        work = asyncio.create_task(self.redriver.redrive(self.redrives))
        waited = 0.0
        await settle()
        while not work.done() and (not seconds or waited < seconds):
            await self.clock.advance(0.25)
            waited += 0.25
        return dict(await work)

    def attempts(self) -> set[str]:
        """Return the attempts of all requests."""
        return {item["attempt"]["N"] for item in self.table.items.values()}


@asynchronous
async def test_each_is_redriven_once() -> None:
    """Given failed requests, each is pending with the next attempt."""
    bench = Bench(20)

    fates = await bench.redrive()

    assert set(fates.values()) == {Fate.REDRIVEN}
    assert bench.redriver.fates == {Fate.REDRIVEN: 20}
    assert bench.attempts() == {"1"}


@asynchronous
async def test_throttled_ones_are_repeated_and_no_others() -> None:
    """Given a table that throttles some writes twice, each is redriven all the same, once."""
    bench = Bench(20)
    throttled = {f"-#orders#{index}": 2 for index in range(5)}

    def instead(write: Write) -> WriteResult | None:
        if throttled.get(write.id, 0):
            throttled[write.id] -= 1
            return WriteResult.RETRY
        return None

    bench.requests.instead = instead
    await bench.redrive()

    assert bench.redriver.fates == {Fate.REDRIVEN: 20}
    assert [len(batch) for batch in bench.requests.batches] == [20, 5, 5]
    assert bench.attempts() == {"1"}


@asynchronous
async def test_a_lost_answer_is_no_change_by_somebody_else() -> None:
    """Given writes that got through and whose answer was lost, the repeat is refused, and they count as redriven."""
    bench = Bench(3)
    real_write = bench.requests.inner.write
    lost = [True]

    async def write(writes: Any) -> Any:
        results = await real_write(writes)
        return [WriteResult.RETRY] * len(results) if lost[0] else results

    bench.requests.inner.write = write  # type: ignore[method-assign]
    work = asyncio.create_task(bench.redrive())
    await settle()
    lost[0] = False
    await work

    assert bench.redriver.fates == {Fate.REDRIVEN: 3}
    assert bench.attempts() == {"1"}


@asynchronous
async def test_what_changed_or_went_is_left_alone() -> None:
    """Given rows that are out of date, the report tells which changed, and which are gone."""
    bench = Bench(4)
    bench.table.put(image("-#orders#0", attempt=1))
    bench.table.put(image("-#orders#1", status="failed-a", error="another", attempt=1))
    bench.table.delete("-#orders#2")

    fates = await bench.redrive()

    assert fates == {
        "-#orders#0": Fate.CHANGED,
        "-#orders#1": Fate.CHANGED,
        "-#orders#2": Fate.GONE,
        "-#orders#3": Fate.REDRIVEN,
    }
    assert "-#orders#2" not in bench.table.items


@asynchronous
async def test_the_next_request_of_an_id_is_another_one() -> None:
    """Given a failed request that was deleted and whose id is used again, the new one isn't touched."""
    bench = Bench(1)
    newer = image("-#orders#0", status="failed-a", error="busy", accepted_at=1, due_at=1)
    bench.table.put(newer)

    assert set((await bench.redrive()).values()) == {Fate.GONE}
    assert bench.table.items["-#orders#0"] == newer


@asynchronous
async def test_it_gives_up_on_a_table_that_takes_nothing() -> None:
    """Given an outage that doesn't end, it says so after a while; the counts so far stand."""
    bench = Bench(3)
    bench.requests.reachable = False

    with pytest.raises(OutOfReachError, match=r"has taken no write for 30 s: out of reach"):
        await bench.redrive(seconds=2 * GIVE_UP_SECONDS)
    assert bench.redriver.fates == {}


@asynchronous
async def test_it_sits_out_a_short_outage() -> None:
    """Given an outage shorter than its patience, all are redriven."""
    bench = Bench(3)
    bench.requests.reachable = False
    work = asyncio.create_task(bench.redrive())
    await settle()
    bench.requests.reachable = True
    await work

    assert bench.redriver.fates == {Fate.REDRIVEN: 3}


@asynchronous
async def test_a_missing_permission_is_told_at_once() -> None:
    """Given a table that denies the write, nothing is repeated."""
    bench = Bench(3)

    def instead(_: Write) -> WriteResult | None:
        raise ServiceError("BatchExecuteStatement", "requests", "AccessDeniedException")

    bench.requests.instead = instead
    with pytest.raises(OutOfReachError, match="dynamodb:PartiQLUpdate"):
        await bench.redrive()
    assert len(bench.requests.batches) == 1


@asynchronous
async def test_the_rate_is_kept() -> None:
    """Given 5 a second, 20 requests are four batches and take four seconds."""
    bench = Bench(20, per_second=5)
    assert bench.redriver.batch_size == 5
    for start in range(0, 20, 5):
        work = asyncio.create_task(bench.redriver.redrive(bench.redrives[start : start + 5]))
        await settle()
        await bench.clock.advance(0.9)
        assert not work.done()
        await bench.clock.advance(0.2)
        await work


@pytest.mark.parametrize(("per_second", "size"), [(0.1, 1), (1, 1), (7.9, 7), (100, 25)])
def test_a_batch_is_no_more_than_a_second_allows(per_second: float, size: int) -> None:
    """Given a rate, a batch is a second's worth at most, and one at least."""
    assert Bench(0, per_second=per_second).redriver.batch_size == size


@asynchronous
async def test_what_was_written_is_counted_although_it_is_cancelled() -> None:
    """Given a cancellation while a write is under way, that write is awaited and counted."""
    bench = Bench(20)
    answer = asyncio.Event()

    async def before_answer() -> None:
        await answer.wait()

    bench.requests.before_answer = before_answer
    work = asyncio.create_task(bench.redriver.redrive(bench.redrives))
    await settle()
    work.cancel()
    await settle()
    answer.set()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert bench.redriver.fates == {Fate.REDRIVEN: 20}


class GoneBench(Bench):
    """Requests that are gone from a table under faults, and who restores them."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.redriver = Redriver(
            requests=self.requests,
            restoring=self.table,
            clock=self.clock,
            backoff=Backoff(max_seconds=1),
            per_second=1_000.0,
        )
        self.redrives = [self._restored(item) for item in self.table.items.values()]
        self.table.items.clear()

    def _restored(self, item: Image) -> Redrive:
        change = parsed(item, event="INSERT")

        def restored(now_ms: int) -> Insert:
            return restore(change.accepted, digit=change.state.digit, attempt=0, now_ms=now_ms)

        return Redrive(state=change.state, change=restored)


@asynchronous
async def test_what_is_gone_is_restored_once() -> None:
    """Given requests that are gone, each is pending with the next attempt; a second time nothing happens."""
    bench = GoneBench(20)

    assert set((await bench.redrive()).values()) == {Fate.REDRIVEN}
    assert bench.attempts() == {"1"}
    before = dict(bench.table.items)
    assert set((await bench.redrive()).values()) == {Fate.CHANGED}
    assert bench.table.items == before


@asynchronous
async def test_a_lost_answer_to_a_restore_is_no_change_by_somebody_else() -> None:
    """Given restores that got through and whose answer was lost, they count as redriven."""
    bench = GoneBench(3)
    real_restore = bench.table.restore
    lost = [True]

    async def restore_and_lose(inserts: Any) -> Any:
        results = await real_restore(inserts)
        if lost[0]:
            raise TransientError("no answer")
        return results

    bench.table.restore = restore_and_lose  # type: ignore[method-assign]
    work = asyncio.create_task(bench.redrive())
    await settle()
    lost[0] = False
    await work

    assert bench.redriver.fates == {Fate.REDRIVEN: 3}
    assert bench.attempts() == {"1"}


@asynchronous
async def test_an_id_that_is_used_again_keeps_its_new_request() -> None:
    """Given a key that has another request by now, the one that is gone stays away."""
    bench = GoneBench(1)
    newer = image("-#orders#0", accepted_at=1, due_at=1)
    bench.table.put(newer)

    assert set((await bench.redrive()).values()) == {Fate.GONE}
    assert bench.table.items["-#orders#0"] == newer


@asynchronous
async def test_writes_and_restores_go_in_one_batch() -> None:
    """Given both, and a table that takes no restore, it says what that takes; the writes are done."""
    gone, bench = GoneBench(3), Bench(2)

    async def denied(inserts: Sequence[Insert]) -> Sequence[WriteResult]:
        raise ServiceError("BatchExecuteStatement", "requests", "AccessDeniedException")

    gone.table.restore = denied  # type: ignore[method-assign]
    redriver = Redriver(
        requests=bench.requests, restoring=gone.table, clock=bench.clock, backoff=Backoff(), per_second=1_000
    )
    with pytest.raises(OutOfReachError, match="dynamodb:PartiQLInsert"):
        await redriver.redrive([*bench.redrives, gone.redrives[2]])
    assert bench.attempts() == {"1"}

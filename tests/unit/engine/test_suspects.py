"""Requests that may have killed their worker: counted before they run, alone the second time, failed at the third."""

import asyncio

from dropslot.core.errors import RetryLater
from dropslot.core.policy import KILLED_ITS_WORKER, MAX_STARTS, Ending, Raised, Returned
from dropslot.core.request import Request
from dropslot.core.transitions import Write
from tests.unit.engine.doubles import Bench, Gates, ScriptedRunner, asynchronous, settle


def returning() -> ScriptedRunner:
    """Return a runner whose handler returns at once."""

    async def script(_: Request) -> Ending:
        return Returned(None)

    return ScriptedRunner(script)


async def die_and_come_back(bench: Bench) -> None:
    """Let the process die with all that runs in it, and another take the shard a moment later."""
    bench.shard.close()
    await settle()
    await bench.clock.advance(1)
    bench.shard = bench.new_shard()


def starts(bench: Bench, request_id: str) -> int:
    """Return the count on an item."""
    return int(bench.item(request_id).get("starts", {"N": "0"})["N"])


@asynchronous
async def test_a_fresh_request_is_not_counted() -> None:
    """Given a record that arrived since the start, then its run costs one write."""
    runner = returning()
    bench = Bench(runner)
    await bench.run(bench.accept())
    assert starts(bench, "caller#one") == 0
    assert "suspects" not in bench.counters.totals()


@asynchronous
async def test_a_shard_can_be_told_since_when_nobody_else_had_it() -> None:
    """Given a shard that is told of a later start, then a record from before it is counted."""
    bench = Bench(returning())
    bench.shard = bench.new_shard(up_since_ms=bench.clock.now_ms() + 1)
    await bench.run(bench.accept())
    assert bench.counters.totals()["suspects"] == 1


@asynchronous
async def test_a_request_that_kills_its_worker_is_failed_after_three_restarts() -> None:
    """Given a handler that takes the process with it, then the third restart fails it without a run."""
    gates = Gates()
    runner = ScriptedRunner(gates)
    bench = Bench(runner)
    poison = bench.accept("caller#poison")
    for _ in range(MAX_STARTS):
        work = asyncio.create_task(bench.shard.submit([poison]))
        await settle()
        work.cancel()
        await die_and_come_back(bench)
    await bench.run(poison)
    assert len(runner.calls) == MAX_STARTS
    assert bench.item("caller#poison")["error"] == {"S": KILLED_ITS_WORKER}
    assert bench.shard.position == poison.sequence_number


@asynchronous
async def test_those_beside_it_are_not_blamed() -> None:
    """Given ten requests under way each time the worker dies of an eleventh, then all ten are done."""
    gates = Gates()
    deaths = 0

    async def script(request: Request) -> Ending:
        # The first two deaths come before anybody has ended.
        if request.id == "caller#poison" or deaths < 2:
            return await gates(request)
        return Returned(None)

    runner = ScriptedRunner(script)
    bench = Bench(runner)
    others = [f"caller#{number}" for number in range(10)]
    records = [bench.accept(request_id) for request_id in (*others[:5], "caller#poison", *others[5:])]
    for _ in range(MAX_STARTS):
        work = asyncio.create_task(bench.shard.submit(records))
        await settle(300)
        work.cancel()
        await die_and_come_back(bench)
        deaths += 1
    await bench.run(*records)
    assert bench.item("caller#poison")["error"] == {"S": KILLED_ITS_WORKER}
    assert {bench.item(request_id)["status"]["S"] for request_id in others} == {"done-a"}
    assert max(starts(bench, request_id) for request_id in others) < MAX_STARTS


@asynchronous
async def test_only_what_the_process_before_can_have_started_is_a_suspect() -> None:
    """Given a backlog after a restart, then no more requests than a window holds are counted."""
    bench = Bench(returning(), concurrency=4)
    records = [bench.accept(f"caller#{number}") for number in range(20)]
    await die_and_come_back(bench)
    await bench.run(*records)
    assert bench.counters.totals()["suspects"] == 4
    assert bench.counters.totals()["done"] == 20


@asynchronous
async def test_a_young_request_does_not_overtake_one_that_is_looked_up_first() -> None:
    """Given a batch of old and young ones, then they start in order: the next process counts on it for its suspects."""
    runner = returning()
    bench = Bench(runner, concurrency=4)
    records = [bench.accept("caller#old")]
    await bench.clock.advance(60)
    records += [bench.accept("caller#young"), bench.accept("caller#younger")]
    await bench.run(*records)
    assert [call.id for call in runner.calls] == ["caller#old", "caller#young", "caller#younger"]
    assert bench.requests.reads == [["caller#old"]]


@asynchronous
async def test_a_suspect_that_comes_to_an_end_is_none_any_more() -> None:
    """Given a counted request that then has to wait, then its count is gone."""

    async def script(_: Request) -> Ending:
        assert starts(bench, "caller#one") == 2
        return Raised(RetryLater())

    bench = Bench(ScriptedRunner(script))
    record = bench.accept(starts=1)
    await die_and_come_back(bench)
    await bench.run(record)
    assert bench.item()["status"] == {"S": "waiting-a"}
    assert "starts" not in bench.item()


@asynchronous
async def test_an_orderly_end_takes_the_count_back() -> None:
    """Given a suspect that still runs when the process is told to stop, then it isn't blamed for that."""
    gates = Gates()
    bench = Bench(ScriptedRunner(gates))
    record = bench.accept()
    await die_and_come_back(bench)
    await bench.shard.submit([record])
    await settle()
    assert starts(bench, "caller#one") == 1
    await bench.shard.stand_down()
    assert starts(bench, "caller#one") == 0
    assert bench.shard.position is None


@asynchronous
async def test_an_orderly_end_takes_back_a_count_in_the_making() -> None:
    """Given a count that is written but not answered yet when the process is told to stop, then it is gone as well."""
    bench = Bench(ScriptedRunner(Gates()))
    record = bench.accept()
    await die_and_come_back(bench)
    answered = asyncio.Event()

    async def answer() -> None:
        await answered.wait()

    bench.requests.before_answer = answer
    work = asyncio.create_task(bench.shard.submit([record]))
    await settle()
    assert starts(bench, "caller#one") == 1
    standing_down = asyncio.create_task(bench.shard.stand_down())
    await settle()
    answered.set()
    await standing_down
    assert starts(bench, "caller#one") == 0
    assert bench.shard.position is None
    work.cancel()


@asynchronous
async def test_a_suspect_that_was_moved_meanwhile_is_left_alone() -> None:
    """Given a suspect that somebody settles between read and count, then it doesn't run."""
    runner = returning()
    bench = Bench(runner)
    record = bench.accept()
    await die_and_come_back(bench)

    def settle_it(_: Write) -> None:
        bench.requests.instead = lambda _: None
        bench.table.put({**bench.item(), "status": {"S": "done-a"}, "ttl": {"N": "1"}})

    bench.requests.instead = settle_it
    await bench.run(record)
    assert runner.calls == []
    assert bench.shard.position == record.sequence_number


@asynchronous
async def test_a_backlog_that_the_sweep_redrove_meanwhile_is_not_all_suspect() -> None:
    """Given a restart with a backlog whose every request was redriven, then again no more than a window is counted."""
    bench = Bench(returning(), concurrency=4)
    records = [bench.accept(f"caller#{number}") for number in range(20)]
    for number in range(20):
        bench.table.put({**bench.item(f"caller#{number}"), "attempt": {"N": "1"}})
    await die_and_come_back(bench)
    await bench.run(*records)
    assert bench.counters.totals()["suspects"] == 4
    assert bench.counters.totals()["done"] == 20


@asynchronous
async def test_a_counted_request_is_a_suspect_wherever_its_record_comes_from() -> None:
    """Given a request with a count, whose record arrives long after the start, then it is counted on."""
    gates = Gates()
    bench = Bench(ScriptedRunner(gates))
    record = bench.accept(starts=1)
    await bench.clock.advance(10)
    work = asyncio.create_task(bench.shard.submit([record]))
    await settle()
    assert starts(bench, "caller#one") == 2
    gates.end("caller#one", Returned(None))
    await work
    await bench.shard.drain()


@asynchronous
async def test_an_error_that_cannot_be_read_fails_its_request_and_nothing_else() -> None:
    """Given a RetryLater whose delay raises when it is asked for, then its request is failed and the shard goes on."""

    class BusyError(RetryLater):
        @property
        def after_seconds(self) -> float:
            raise KeyError("no such kitchen")

        @after_seconds.setter
        def after_seconds(self, value: float | None) -> None:
            """Take it and forget it."""

    async def script(_: Request) -> Ending:
        return Raised(BusyError())

    bench = Bench(ScriptedRunner(script))
    await bench.run(bench.accept())
    assert bench.item()["status"] == {"S": "failed-a"}
    assert "KeyError" in bench.item()["error"]["S"]

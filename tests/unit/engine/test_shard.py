"""A shard and its records: what runs, what doesn't, and how far the shard counts as resolved."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dropslot import Reject, Request, RetryLater
from dropslot.core.item import State, Unfinished
from dropslot.core.policy import Ending, Policy, Raised, Returned, TimedOut
from dropslot.core.transitions import force, redrive
from dropslot.engine.runners import InlineRunner
from dropslot.engine.stream_record import StreamRecord
from tests.unit.core.images import image
from tests.unit.engine.doubles import Bench, Gates, ScriptedRunner, asynchronous, settle


def counting(bench_calls: list[tuple[str, int]], value: object = None) -> InlineRunner:
    """Return a runner whose handler notes id and attempt of each call and returns a value."""

    def handle(request: Request) -> object:
        bench_calls.append((request.id, request.attempt))
        return value

    return InlineRunner(handle)


async def redrive_now(bench: Bench, request_id: str = "caller#one") -> None:
    """Redrive a request as the sweep does."""
    states = await bench.table.read([request_id])
    row = Unfinished(state=states[request_id], due_at=int(bench.item(request_id)["due_at"]["N"]))
    await bench.table.write([redrive(row, due_at=bench.clock.now_ms())])


@asynchronous
async def test_an_accepted_request_runs_and_is_done() -> None:
    """Given an INSERT, when it is submitted, then the handler runs once and its result stands on the item."""
    calls: list[tuple[str, int]] = []
    bench = Bench(counting(calls, {"total": 5}))
    await bench.run(bench.accept())
    assert calls == [("caller#one", 0)]
    assert bench.status() == "done"
    assert bench.item()["result"] == {"S": '{"total":5}'}
    assert bench.item()["ttl"] == {"N": str(bench.clock.now_ms() // 1000 + 300)}
    assert (bench.shard.position, bench.shard.unresolved) == ("1", 0)
    assert bench.requests.reads == [], "a fresh record needs no read"


@asynchronous
async def test_the_change_feed_holds_one_insert_and_one_outcome() -> None:
    """When everything the shard writes is fed back to it, then nothing runs and nothing is written again."""
    calls: list[tuple[str, int]] = []
    bench = Bench(counting(calls))
    for index in range(50):
        bench.accept(f"caller#{index}")
    fed = 0
    while fed < len(bench.feed):
        batch = bench.feed[fed:]
        fed += len(batch)
        await bench.run(*batch)
    assert len(calls) == 50
    assert len(bench.feed) == 100
    assert bench.counters.totals()["not_pending"] == 50
    assert bench.shard.position == "100"


@asynchronous
async def test_a_duplicate_runs_nothing() -> None:
    """Given the same record several times, within a batch and after it, then the handler runs once."""
    calls: list[tuple[str, int]] = []
    bench = Bench(counting(calls))
    first = bench.accept()
    await bench.run(first, bench.again(first), bench.again(first))
    await bench.run(bench.again(first))
    assert calls == [("caller#one", 0)]
    assert bench.counters.totals()["duplicate"] == 3
    assert bench.shard.unresolved == 0


@asynchronous
async def test_a_duplicate_of_a_running_request_does_not_move_the_position_past_it() -> None:
    """The position stays below the first record until its run is settled."""
    gates = Gates()
    bench = Bench(ScriptedRunner(gates))
    first = bench.accept()
    await bench.shard.submit([first, bench.again(first)])
    await settle()
    assert (bench.shard.position, bench.shard.unresolved) == (None, 2)
    gates.end("caller#one", Returned(None))
    await bench.shard.drain()
    assert bench.shard.position is not None
    assert bench.shard.unresolved == 0


@asynchronous
async def test_records_out_of_order_run_the_latest_attempt_once() -> None:
    """Given the redrive before the INSERT, then only the redrive's attempt runs."""
    calls: list[tuple[str, int]] = []
    bench = Bench(counting(calls))
    first = bench.accept()
    await redrive_now(bench)
    await bench.run(bench.feed[1], first)
    assert calls == [("caller#one", 1)]
    assert bench.status() == "done"
    assert bench.shard.unresolved == 0


@asynchronous
async def test_a_redrive_of_a_running_request_joins_it() -> None:
    """Given a run under way, when the sweep redrives it, then the one run's failure counts for the new attempt."""
    gates = Gates()
    runner = ScriptedRunner(gates)
    bench = Bench(runner)
    await bench.shard.submit([bench.accept()])
    await settle()
    await redrive_now(bench)
    await bench.shard.submit([bench.feed[1]])
    await settle()
    assert len(runner.calls) == 1
    assert bench.shard.position is None
    gates.end("caller#one", Raised(Reject("no")))
    await bench.shard.drain()
    assert (bench.status(), bench.item()["attempt"]) == ("failed", {"N": "1"})
    assert bench.shard.position == "2"


@pytest.mark.parametrize("ending", [Raised(RetryLater("busy", after_seconds=0)), Raised(Reject("no")), Returned(None)])
@asynchronous
async def test_a_redrive_that_arrives_while_the_outcome_is_answered_is_not_lost(ending: Ending) -> None:
    """A waiting outcome stands in the table, its answer is still under way.

    When the sweep has redriven the request meanwhile and that record arrives, then the new attempt runs now, not when
    it is overdue.
    """
    endings = [ending]

    async def script(_: Request) -> Ending:
        return endings.pop(0) if endings else Returned("second attempt")

    runner = ScriptedRunner(script)
    bench = Bench(runner)
    answer = asyncio.Event()
    bench.requests.before_answer = answer.wait  # type: ignore[assignment]
    await bench.shard.submit([bench.accept()])
    await settle()
    assert bench.status() in ("waiting", "failed", "done")
    if bench.status() == "waiting":
        await redrive_now(bench)
    submitting = asyncio.create_task(bench.shard.submit(bench.feed[1:]))
    await settle()
    answer.set()
    await submitting
    await bench.shard.drain()
    assert bench.status() in ("failed", "done")
    assert bench.shard.unresolved == 0


@asynchronous
async def test_a_redrive_while_a_failing_outcome_is_on_its_way_is_settled_once() -> None:
    """Given the redrive wins against the outcome's write, then the outcome counts for the attempt that joined."""
    gates = Gates()
    runner = ScriptedRunner(gates)
    bench = Bench(runner)
    await bench.shard.submit([bench.accept()])
    await settle()
    await redrive_now(bench)
    gates.end("caller#one", Raised(Reject("no")))
    await bench.shard.drain()
    assert bench.status() == "pending", "refused: the attempt has moved"
    await bench.shard.submit([bench.feed[1]])
    await settle()
    gates.end("caller#one", Raised(Reject("no again")))
    await bench.shard.drain()
    assert bench.item()["error"] == {"S": "no again"}


@asynchronous
async def test_a_forced_redrive_runs_beside_the_run_that_it_makes_void() -> None:
    """Given an outcome whose answer is still out, when the request is forced to run again, then it does, at once."""
    values = [1, 2]

    async def script(_: Request) -> Ending:
        return Returned(values.pop(0))

    bench = Bench(ScriptedRunner(script))
    answer = asyncio.Event()
    bench.requests.before_answer = answer.wait  # type: ignore[assignment]
    await bench.shard.submit([bench.accept()])
    await settle()
    assert bench.status() == "done"
    done = (await bench.table.read(["caller#one"]))["caller#one"]
    await bench.table.write([force(done, ttl=int(bench.item()["ttl"]["N"]), now_ms=bench.clock.now_ms())])
    await bench.shard.submit([bench.feed[2]])
    await settle()
    assert values == []
    answer.set()
    await bench.shard.drain()
    assert (bench.status(), bench.item()["attempt"], bench.item()["result"]) == ("done", {"N": "1"}, {"S": "2"})
    assert bench.shard.unresolved == 0


@asynchronous
async def test_a_success_counts_although_the_request_was_redriven_meanwhile() -> None:
    """Given a redrive whose record is still under way, then done is taken, and that record runs nothing if read."""
    gates = Gates()
    bench = Bench(ScriptedRunner(gates), fresh_ms=-1)
    await bench.shard.submit([bench.accept()])
    await settle()
    await redrive_now(bench)
    gates.end("caller#one", Returned(None))
    await bench.shard.drain()
    assert (bench.status(), bench.item()["attempt"]) == ("done", {"N": "1"})
    await bench.run(bench.feed[1])
    assert bench.counters.totals()["settled"] == 1


def stale_cases() -> dict[str, dict[str, Any]]:
    """Return what a stale record finds, as attributes of the item, and the counter that tells."""
    return {
        "gone": {"item": None, "counter": "gone", "runs": []},
        "done": {"item": {"status": "done-a", "ttl": 5}, "counter": "settled", "runs": []},
        "failed": {"item": {"status": "failed-a", "error": "x"}, "counter": "settled", "runs": []},
        "waiting": {"item": {"status": "waiting-a", "tries": 1}, "counter": "waiting", "runs": []},
        "another generation": {"item": {"accepted_at": 5}, "counter": "gone", "runs": []},
        "pending": {"item": {}, "counter": "done", "runs": [("caller#one", 0)]},
        "pending at a later attempt": {"item": {"attempt": 3}, "counter": "done", "runs": [("caller#one", 3)]},
    }


@pytest.mark.parametrize("case", stale_cases())
@pytest.mark.parametrize("how", ["old", "arrived before the start"])
@asynchronous
async def test_a_record_that_may_have_been_run_is_read_first(case: str, how: str) -> None:
    """Given an old record, or one from before this process, then the item decides, and gives the attempt."""
    expected = stale_cases()[case]
    calls: list[tuple[str, int]] = []
    bench = Bench(counting(calls))
    inserted = bench.accept()
    if expected["item"] is None:
        bench.table.delete("caller#one")
    else:
        bench.table.put(
            {
                **image(accepted_at=bench.clock.now_ms()),
                **image(**{"accepted_at": bench.clock.now_ms(), **expected["item"]}),
            }
        )
    if how == "old":
        await bench.clock.advance(6)
    else:
        await bench.clock.advance(1)
        bench.shard = bench.new_shard()
    before = len(bench.changes)
    await bench.run(inserted)
    assert bench.requests.reads == [["caller#one"]]
    assert calls == expected["runs"]
    assert bench.counters.totals()[expected["counter"]] == 1
    assert (bench.shard.position, bench.shard.unresolved) == (inserted.sequence_number, 0)
    writes_per_run = 1 if how == "old" else 2  # a suspect's start is counted first
    assert len(bench.changes) - before == len(calls) * writes_per_run, "only a run writes"


@asynchronous
async def test_reads_are_batched() -> None:
    """Given a backlog, then many records share a read, each id once, and each runs once."""
    calls: list[tuple[str, int]] = []
    bench = Bench(counting(calls), concurrency=20)
    records = [
        bench.accept(f"caller#{index % 30}") if index < 30 else bench.again(bench.feed[index % 30])
        for index in range(60)
    ]
    await bench.clock.advance(60)
    await bench.run(*records)
    assert len(bench.requests.reads) <= 3
    assert sorted(calls) == sorted((f"caller#{index}", 0) for index in range(30))


@asynchronous
async def test_what_waited_long_for_a_slot_is_read_before_it_runs() -> None:
    """Given a record that was fresh when it came and isn't when a slot is free, then the item decides."""
    gates = Gates()
    runner = ScriptedRunner(gates)
    bench = Bench(runner, concurrency=1)
    first, second = bench.accept("caller#slow"), bench.accept("caller#second")
    submitting = asyncio.create_task(bench.shard.submit([first, second]))
    await bench.clock.advance(600)
    bench.table.put(image("caller#second", accepted_at=bench.clock.now_ms() - 600_000, status="done-a", ttl=5))
    gates.end("caller#slow", Returned(None))
    await settle()
    assert [request.id for request in runner.calls] == ["caller#slow"]
    await submitting


@asynchronous
async def test_foreign_and_broken_records_are_counted_and_skipped(caplog: pytest.LogCaptureFixture) -> None:
    """Given what isn't ours between what is, then ours runs, each reason is logged once, without a payload."""
    calls: list[tuple[str, int]] = []
    bench = Bench(counting(calls))
    good = bench.accept()
    secret = image("caller#secret-4711", request="secret-4711")
    records = [
        bench.raw(b""),
        bench.raw(b'{"secret-4711'),
        bench.raw(b'{"secret-4711": 1}'),
        bench.record(secret, table="others"),
        bench.record({**secret, "attempt": {"S": "secret-4711"}}),
        good,
        bench.record(None, secret),
        bench.record(image(status="failed-a", error="x"), image()),
    ]
    await bench.run(*records)
    totals = bench.counters.totals()
    assert calls == [("caller#one", 0)]
    assert (totals["broken"], totals["foreign"], totals["removed"], totals["not_pending"]) == (2, 3, 1, 1)
    skipped = [line for line in caplog.records if line.getMessage() == "record_skipped"]
    assert len(skipped) == len({vars(line)["why"] for line in skipped}) == 4
    assert "secret-4711" not in " ".join(str(vars(line)) for line in caplog.records)
    assert bench.shard.unresolved == 0


@asynchronous
async def test_a_record_of_the_far_future_of_accepting_is_skipped() -> None:
    """Given an `accepted_at` that is no date, then the shard goes on."""
    calls: list[tuple[str, int]] = []
    bench = Bench(counting(calls))
    await bench.run(bench.record(image(accepted_at=10**20)), bench.accept())
    assert ("caller#one", 0) in calls
    assert bench.shard.unresolved == 0


@asynchronous
async def test_a_full_window_holds_submit_and_no_more_runs_than_it_has_slots() -> None:
    """Given three slots and five requests, then the fourth starts when one of the first has its outcome."""
    gates = Gates()
    runner = ScriptedRunner(gates)
    bench = Bench(runner, concurrency=3)
    records = [bench.accept(f"caller#{index}") for index in range(5)]
    submitting = asyncio.create_task(bench.shard.submit(records))
    await settle()
    assert [request.id for request in runner.calls] == ["caller#0", "caller#1", "caller#2"]
    assert not submitting.done()
    gates.end("caller#1", Returned(None))
    await settle()
    assert len(runner.calls) == 4
    gates.end("caller#0", Returned(None))
    await settle()
    assert submitting.done()
    assert runner.most_running == 3
    for request_id in gates.held():
        gates.end(request_id, Returned(None))
    await bench.shard.drain()
    assert bench.shard.position == "5"


@asynchronous
async def test_a_slow_request_holds_no_other() -> None:
    """Given one request that doesn't end, then 200 accepted after it settle, and the position waits below it."""
    gates = Gates()

    async def script(request: Request) -> Ending:
        return await gates(request) if request.id == "caller#slow" else Returned(None)

    bench = Bench(ScriptedRunner(script), concurrency=4)
    await bench.shard.submit([bench.accept("caller#before"), bench.accept("caller#slow")])
    for index in range(200):
        await bench.shard.submit([bench.accept(f"caller#{index}")])
    await settle()
    assert all(bench.status(f"caller#{index}") == "done" for index in range(200))
    assert bench.status("caller#slow") == "pending"
    assert bench.shard.position == "1"
    gates.end("caller#slow", Returned(None))
    await bench.shard.drain()
    assert bench.shard.unresolved == 0


@asynchronous
async def test_a_type_runs_its_own_handler() -> None:
    """One per type, the rest to the one for all."""
    orders: list[tuple[str, int]] = []
    rest: list[tuple[str, int]] = []
    bench = Bench({"orders": counting(orders), "*": counting(rest)})
    await bench.run(
        bench.accept("caller#1"), bench.accept("caller#2", type="imports"), bench.accept("caller#3", type=None)
    )
    assert ([id_ for id_, _ in orders], [id_ for id_, _ in rest]) == (["caller#1"], ["caller#2", "caller#3"])


@asynchronous
async def test_a_type_without_a_handler_waits_for_one() -> None:
    """A deployment may be under way; in the end the schedule fails it."""
    bench = Bench({"orders": counting([])}, policy=Policy(retry_schedule_seconds=(5,)))
    await bench.run(bench.accept(type="imports"), bench.accept("caller#two", type="imports", tries=1))
    assert bench.status() == "waiting"
    assert "imports" in bench.item()["last_error"]["S"]
    assert bench.status("caller#two") == "failed"


@asynchronous
async def test_abandon_starts_nothing_more_and_lets_what_runs_settle() -> None:
    """Given a lost lease, then waiting records don't start, and the position doesn't pass them."""
    gates = Gates()
    runner = ScriptedRunner(gates)
    bench = Bench(runner, concurrency=1)
    submitting = asyncio.create_task(bench.shard.submit([bench.accept("caller#1"), bench.accept("caller#2")]))
    await settle()
    bench.shard.abandon()
    await submitting
    gates.end("caller#1", Returned(None))
    await bench.shard.drain()
    assert [request.id for request in runner.calls] == ["caller#1"]
    assert (bench.status("caller#1"), bench.status("caller#2")) == ("done", "pending")
    assert (bench.shard.position, bench.shard.unresolved, bench.shard.complete) == ("1", 1, False)


@asynchronous
async def test_the_position_never_passes_what_an_abandoned_shard_left_out() -> None:
    """Given a batch that was cut short, then later ones aren't opened, not even records that ask for nothing."""
    gates = Gates()
    bench = Bench(ScriptedRunner(gates), concurrency=1)
    records = [bench.accept(f"caller#{number}") for number in range(1, 5)]
    submitting = asyncio.create_task(bench.shard.submit(records[:3]))
    await settle()
    bench.shard.abandon()
    await submitting
    foreign = StreamRecord(sequence_number="9", data=b"{}", arrived_epoch_seconds=0)
    await bench.shard.submit([records[3], foreign])
    gates.end("caller#1", Returned(None))
    await bench.shard.drain()
    assert (bench.shard.position, bench.shard.complete) == ("1", False)


@asynchronous
async def test_abandon_ends_the_wait_for_a_table_out_of_reach() -> None:
    """Given a record to look up and a table that doesn't answer, then submit returns, and nothing is resolved."""
    bench = Bench(ScriptedRunner(Gates()))
    record = bench.accept("caller#1")
    await bench.clock.advance(60)
    bench.requests.reachable = False
    submitting = asyncio.create_task(bench.shard.submit([record]))
    await settle()
    assert not submitting.done()
    bench.shard.abandon()
    await submitting
    assert (bench.shard.position, bench.shard.unresolved) == (None, 1)


@asynchronous
async def test_cancelling_a_submit_is_no_abandon() -> None:
    """Given a caller that is cancelled itself, then it hears of it."""
    bench = Bench(ScriptedRunner(Gates()), concurrency=1)
    submitting = asyncio.create_task(bench.shard.submit([bench.accept("caller#1"), bench.accept("caller#2")]))
    await settle()
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting


@asynchronous
async def test_drain_waits_for_outcomes_and_returns_at_once_without_any() -> None:
    """Nothing under way: nothing to wait for."""
    gates = Gates()
    bench = Bench(ScriptedRunner(gates))
    await bench.shard.drain()
    await bench.shard.submit([bench.accept("caller#1"), bench.accept("caller#2")])
    draining = asyncio.create_task(bench.shard.drain())
    await settle()
    gates.end("caller#1", Returned(None))
    await settle()
    assert not draining.done()
    gates.end("caller#2", Returned(None))
    await draining
    assert bench.shard.position == "2"


@asynchronous
async def test_drain_does_not_wait_for_a_handler_that_was_given_up() -> None:
    """Given a call past its limit that never returns, then once its waiting is written nothing is under way."""
    never: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    gates = Gates()
    bench = Bench(ScriptedRunner(gates))
    await bench.shard.submit([bench.accept()])
    draining = asyncio.create_task(bench.shard.drain())
    await settle()
    gates.end("caller#one", TimedOut(60, never))
    await settle()
    assert bench.status() == "waiting"
    assert draining.done()
    assert bench.shard.position == "1"
    bench.shard.close()
    await settle()


@asynchronous
async def test_close_cancels_what_is_under_way_and_leaves_it_unresolved() -> None:
    """What was cut off is for the next process."""
    runner = ScriptedRunner(Gates())
    bench = Bench(runner)
    await bench.shard.submit([bench.accept()])
    await settle()
    bench.shard.close()
    await settle()
    assert (runner.running, runner.closed) == (0, True)
    assert bench.status() == "pending"
    assert bench.shard.position is None


@asynchronous
async def test_a_fault_inside_surfaces_and_the_position_stays_below_it() -> None:
    """Given a runner that breaks its promise, then submit and drain raise, and the record is never passed."""

    async def script(request: Request) -> Ending:
        if request.id == "caller#2":
            raise RuntimeError("a fault of ours")
        return Returned(None)

    bench = Bench(ScriptedRunner(script), concurrency=2)
    records = [bench.accept(f"caller#{index}") for index in range(1, 6)]
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await bench.run(*records)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await bench.shard.submit([bench.accept("caller#6")])
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await bench.shard.drain()
    assert bench.shard.position in (None, "1"), "whether the first was settled before is a matter of order"
    assert bench.status("caller#6") == "pending"


@asynchronous
async def test_a_fault_wakes_who_waits_for_a_slot() -> None:
    """Given a full window whose only run breaks, then submit doesn't hang."""

    async def script(_: Request) -> Ending:
        await asyncio.sleep(0)
        raise RuntimeError("a fault of ours")

    bench = Bench(ScriptedRunner(script), concurrency=1)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await bench.shard.submit([bench.accept("caller#1"), bench.accept("caller#2")])
    assert bench.shard.position is None


@asynchronous
async def test_a_run_that_ends_while_its_redrive_is_looked_up_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a redrive that is read before the outcome and looked at after it, then it is read again, not run."""
    gates = Gates()
    runner = ScriptedRunner(gates)
    bench = Bench(runner)
    await bench.shard.submit([bench.accept("caller#1")])
    await settle()
    await redrive_now(bench, "caller#1")
    redriven = bench.feed[-1]
    answers = asyncio.Event()
    read = bench.requests.read

    async def slow_read(ids: Sequence[str]) -> Mapping[str, State]:
        states = await read(ids)
        await answers.wait()
        return states

    monkeypatch.setattr(bench.requests, "read", slow_read)
    submitting = asyncio.create_task(bench.shard.submit([redriven]))
    await settle()
    gates.end("caller#1", Returned(None))
    await settle()
    assert bench.status("caller#1") == "done"
    answers.set()
    await submitting
    await bench.shard.drain()
    assert len(runner.calls) == 1
    assert bench.shard.position == redriven.sequence_number

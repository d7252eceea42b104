"""Batches of the stream in one environment: what runs, what is parked, what is reported."""

import asyncio
import logging

import pytest

from dropslot import Reject, Request
from dropslot.core.policy import Ending, Raised, Returned, TimedOut
from dropslot.engine.ports import WriteResult
from dropslot.engine.runners import ThreadRunner
from dropslot.runtimes.lambda_.parking import PARKED
from tests.unit.engine.doubles import HANGS_AFTER_SECONDS, Gates, ScriptedRunner, asynchronous, settle
from tests.unit.runtimes.lambda_.stand import Stand, lambda_record, numbers, returning


@asynchronous
async def test_fresh_requests_of_a_warm_environment_cost_one_write_each() -> None:
    """Given young records that arrived since the start, then they run unread and uncounted, and nothing is reported."""
    stand = Stand(returning())
    records = [stand.accept(f"caller#{number}") for number in range(10)]
    assert await stand.invoke(*records) == []
    assert {stand.status(f"caller#{number}") for number in range(10)} == {"done"}
    assert stand.requests.reads == []
    assert [write.transition for batch in stand.requests.batches for write in batch] == ["done"] * 10


@asynchronous
async def test_our_own_outcomes_coming_back_end_there() -> None:
    """Given the change records of outcomes, then nothing runs, and nothing is written."""
    runner = returning()
    stand = Stand(runner)
    await stand.invoke(stand.accept())
    batches = len(stand.requests.batches)
    assert await stand.invoke(*stand.feed[1:]) == []
    assert (len(runner.calls), len(stand.requests.batches)) == (1, batches)


@asynchronous
async def test_nonsense_in_the_stream_is_skipped() -> None:
    """Given broken and foreign records around a request, then it is done and all are acknowledged."""
    stand = Stand(returning())
    records = [stand.raw("a"), stand.raw(b"{"), stand.accept(), stand.raw(b'{"hello": 1}')]
    assert await stand.invoke(*records) == []
    assert stand.status() == "done"


@asynchronous
async def test_a_bad_request_fails_and_its_neighbours_are_done() -> None:
    """Given one handler that rejects, then the batch is acknowledged: the failure stands on its item."""

    async def script(request: Request) -> Ending:
        return Raised(Reject("no")) if request.id == "caller#1" else Returned(None)

    stand = Stand(ScriptedRunner(script))
    records = [stand.accept(f"caller#{number}") for number in range(3)]
    assert await stand.invoke(*records) == []
    assert [stand.status(f"caller#{number}") for number in range(3)] == ["done", "failed", "done"]


@asynchronous
async def test_a_batch_delivered_again_after_it_was_resolved_runs_nothing() -> None:
    """Given an answer that Lambda never got, when the batch comes again later, then it is only looked up."""
    runner = returning()
    stand = Stand(runner)
    record = stand.accept()
    await stand.invoke(record)
    await stand.clock.advance(10)
    assert await stand.invoke(record) == []
    assert len(runner.calls) == 1


@asynchronous
async def test_what_nears_the_deadline_waits_and_the_batch_is_acknowledged() -> None:
    """Given slots for two and handlers of 20 s, when 45 s are left to start in, then six run and four are parked."""

    async def script(_: Request) -> Ending:
        await stand.clock.sleep(20)
        return Returned(None)

    runner = ScriptedRunner(script)
    stand = Stand(runner, concurrency="2", handler_timeout_seconds="30")
    records = [stand.accept(f"caller#{number}") for number in range(10)]
    assert await stand.invoke(*records, remaining_seconds=80) == []
    assert len(runner.calls) == 6
    parked = [f"caller#{number}" for number in range(10) if stand.status(f"caller#{number}") == "waiting"]
    assert parked == [f"caller#{number}" for number in range(6, 10)]
    assert stand.item(parked[0])["last_error"] == {"S": PARKED}


@asynchronous
async def test_parking_is_no_failure() -> None:
    """Given a request with one try left, when it is parked, then it still has it, and is due at once."""
    stand = Stand(returning(), retry_schedule_seconds="5")
    record = stand.accept(tries=1)
    assert await stand.invoke(record, remaining_seconds=60) == []
    assert stand.status() == "waiting"
    assert stand.item()["tries"] == {"N": "1"}
    assert int(stand.item()["due_at"]["N"]) <= stand.clock.now_ms()


@asynchronous
async def test_an_error_without_time_for_another_try_counts_at_once() -> None:
    """Given a handler that raises near the deadline, then it is failed: parking it might never come to an end."""

    async def script(_: Request) -> Ending:
        await stand.clock.sleep(29)
        return Raised(ValueError("broken"))

    runner = ScriptedRunner(script)
    stand = Stand(runner, handler_timeout_seconds="30")
    assert await stand.invoke(stand.accept(), remaining_seconds=60) == []
    assert (len(runner.calls), stand.status()) == (1, "failed")


@asynchronous
async def test_a_handler_that_takes_too_long_waits_on_the_schedule() -> None:
    """Given a time-out of the handler's own, then it counts as the failure that it is."""

    async def script(_: Request) -> Ending:
        await stand.clock.sleep(60)
        return TimedOut(60)

    stand = Stand(ScriptedRunner(script))
    assert await stand.invoke(stand.accept()) == []
    assert (stand.status(), stand.item()["tries"]) == ("waiting", {"N": "1"})


@asynchronous
async def test_a_table_out_of_reach_is_reported_from_the_first_unresolved_on(caplog: pytest.LogCaptureFixture) -> None:
    """Given a write that gets no answer, then its record is named, and answered for before the function is cut off."""
    stand = Stand(returning())
    records = [stand.accept(f"caller#{number}") for number in range(4)]
    stand.requests.instead = lambda write: WriteResult.RETRY if write.id == "caller#2" else None
    started_ms = stand.clock.now_ms()
    assert await stand.invoke(*records, remaining_seconds=100) == numbers(records)[2:3]
    assert 97 <= (stand.clock.now_ms() - started_ms) / 1000 < 100
    assert stand.status("caller#3") == "done"
    events = [entry.getMessage() for entry in caplog.records]
    assert "batch_unresolved" in events

    stand.requests.instead = lambda _: None
    assert await stand.invoke(*records[2:]) == []
    assert stand.status("caller#2") == "done"


@asynchronous
async def test_a_table_that_cannot_even_be_read_blames_nobody() -> None:
    """Given old records and no table at all, then the whole batch is reported, and no start is counted."""
    runner = returning()
    stand = Stand(runner)
    records = [stand.accept(f"caller#{number}") for number in range(3)]
    await stand.clock.advance(30)
    stand.requests.reachable = False
    assert await stand.invoke(*records) == numbers(records)[:1]
    assert runner.calls == []
    stand.requests.reachable = True
    assert await stand.invoke(*records) == []
    assert {stand.status(f"caller#{number}") for number in range(3)} == {"done"}


@asynchronous
async def test_a_fault_of_ours_acknowledges_what_is_resolved(caplog: pytest.LogCaptureFixture) -> None:
    """Given an adapter that breaks in a way nobody foresaw, then the batch is reported, and the next one goes well."""

    def break_it(_: object) -> None:
        raise KeyError("nobody foresaw this")

    stand = Stand(returning())
    records = [stand.raw(b"{"), stand.accept()]
    stand.requests.instead = break_it
    assert await stand.invoke(*records) == numbers(records)[1:]
    assert "invocation_failed" in [entry.getMessage() for entry in caplog.records]
    stand.requests.instead = lambda _: None
    assert await stand.invoke(*records[1:]) == []
    assert stand.status() == "done"


@asynchronous
async def test_several_shards_take_turns() -> None:
    """Given batches of two shards whose numbers go up and down, then each is acknowledged for itself."""
    stand = Stand(returning())
    high = stand.accept("caller#high")
    low = stand.accept("caller#low")
    low = lambda_record("", 1, 0, shard="shardId-9") | {"kinesis": {**low["kinesis"], "sequenceNumber": "1"}}
    assert await stand.invoke(high) == []
    assert await stand.invoke(low) == []
    assert {stand.status("caller#high"), stand.status("caller#low")} == {"done"}


@asynchronous
async def test_a_success_after_the_limit_is_taken_in_a_later_invocation() -> None:
    """Given a thread that returns after its invocation has answered, then the next one writes that success."""
    late: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    async def script(request: Request) -> Ending:
        return TimedOut(60, late) if request.id == "caller#slow" else Returned(None)

    stand = Stand(ScriptedRunner(script))
    await stand.invoke(stand.accept("caller#slow"))
    assert stand.status("caller#slow") == "waiting"
    late.set_result(Returned({"total": 5}))
    await stand.invoke(stand.accept("caller#other"))
    await settle()
    assert stand.item("caller#slow")["result"] == {"S": '{"total":5}'}


@asynchronous
async def test_a_batch_given_up_leaves_late_handlers_to_their_runner() -> None:
    """Given a handler past its limit, when its batch is given up, then its call isn't ended: it stays lost."""
    late: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    async def script(request: Request) -> Ending:
        return TimedOut(60, late) if request.id == "caller#slow" else Returned(None)

    stand = Stand(ScriptedRunner(script))
    records = [stand.accept("caller#slow"), stand.accept("caller#other")]
    stand.requests.instead = lambda write: WriteResult.RETRY if write.id == "caller#other" else None
    assert await stand.invoke(*records, remaining_seconds=100) == numbers(records)[1:]
    await settle()
    assert not late.done()


@asynchronous
async def test_counts_are_logged_once_per_invocation(caplog: pytest.LogCaptureFixture) -> None:
    """Given two invocations, then each says what it counted itself, and one without news says nothing."""
    caplog.set_level(logging.INFO)
    stand = Stand(returning())
    await stand.invoke(stand.accept("caller#1"), stand.accept("caller#2"))
    await stand.invoke(stand.accept("caller#3"))
    await stand.invoke()
    counted = [vars(entry) for entry in caplog.records if entry.getMessage() == "counted"]
    assert [line["done"] for line in counted] == [2, 1]
    assert [line["records"] for line in counted] == [2, 1]


@asynchronous
async def test_an_environment_full_of_lost_handlers_is_replaced_before_it_takes_a_batch() -> None:
    """Given as many handlers that never returned as are allowed, then the process leaves."""
    runner = returning()
    stand = Stand(runner, lost_handlers_max="2")
    runner.lost = 1
    await stand.invoke(stand.accept("caller#1"))
    assert stand.left == 0
    runner.lost = 2
    await stand.invoke(stand.accept("caller#2"))
    assert stand.left == 1


@asynchronous
async def test_an_invocation_that_gives_up_leaves_the_handlers_threads_alone() -> None:
    """Given a thread of an earlier batch and one that is given up, when the next comes, then the thread still works."""
    runner = ThreadRunner(lambda _: None, limit_seconds=HANGS_AFTER_SECONDS)
    stand = Stand(runner)
    # Time stands for itself here: the more is left, the less the thread's own can matter.
    assert await stand.invoke(stand.accept("caller#before"), remaining_seconds=1e6) == []
    record = stand.accept()
    await stand.clock.advance(30)
    stand.requests.reachable = False
    assert await stand.invoke(record) == numbers([record])
    stand.requests.reachable = True
    assert await stand.invoke(record, remaining_seconds=1e6) == []
    assert stand.status() == "done"
    runner.close()


@asynchronous
async def test_a_request_under_way_when_time_is_up_is_reported() -> None:
    """Given a handler that no limit ends, then its record is reported before the function is cut off."""
    gates = Gates()
    stand = Stand(ScriptedRunner(gates))
    records = [stand.accept("caller#stuck"), stand.accept("caller#other")]
    call = asyncio.create_task(stand.invoke(*records, remaining_seconds=100))
    await settle(100)
    gates.end("caller#other", Returned(None))
    assert await call == numbers(records)[:1]
    assert (stand.status("caller#stuck"), stand.status("caller#other")) == ("pending", "done")

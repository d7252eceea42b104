"""What a handler does, and what becomes of its request: the handler contract over a shard."""

import asyncio
import itertools
import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from dropslot import Reject, Request, RetryLater
from dropslot.adapters.wire.item_size import ITEM_MAX_BYTES, item_bytes
from dropslot.core.policy import Ending, Policy, Raised, Returned, TimedOut
from dropslot.core.transitions import Write
from dropslot.engine.handler import Handler
from dropslot.engine.ports import WriteResult
from dropslot.engine.runners import InlineRunner, LoopRunner, ThreadRunner, make_runner
from dropslot.engine.stream_record import StreamRecord
from dropslot.engine.sweep import Sweep, SweepOptions
from tests.unit.core.images import image
from tests.unit.engine.doubles import Bench, Gates, ScriptedRunner, asynchronous, settle, until


def raising(error: BaseException) -> Callable[[Request], object]:
    """Return a handler that raises."""

    def handle(_: Request) -> object:
        raise error

    return handle


CONTRACT: list[tuple[str, Callable[[Request], object], str, dict[str, str], int]] = [
    ("returns None", lambda _: None, "done", {}, 1),
    ("returns a value", lambda _: {"a": [1]}, "done", {"result": '{"a":[1]}'}, 1),
    ("returns text", lambda _: "sold out", "failed", {"error": "sold out"}, 1),
    ("returns empty text", lambda _: "", "failed", {"error": "no reason given"}, 1),
    ("rejects", raising(Reject("sold out")), "failed", {"error": "sold out"}, 1),
    ("asks for later", raising(RetryLater("busy")), "waiting", {"last_error": "busy"}, 1),
    ("meets a timeout", raising(TimeoutError("slow")), "waiting", {"last_error": "TimeoutError: slow"}, 3),
    ("meets a reset", raising(ConnectionResetError()), "waiting", {"last_error": "ConnectionResetError"}, 3),
    ("raises", raising(ValueError("bad")), "failed", {"error": "ValueError: bad"}, 3),
    ("exits", lambda _: sys.exit(3), "failed", {"error": "SystemExit: 3"}, 3),
    ("is interrupted", raising(KeyboardInterrupt()), "failed", {"error": "KeyboardInterrupt"}, 3),
    ("is cancelled", raising(asyncio.CancelledError()), "failed", {"error": "CancelledError"}, 3),
    ("returns an object", lambda _: object(), "failed", {}, 1),
    ("returns NaN", lambda _: float("nan"), "failed", {}, 1),
    ("returns bytes", lambda _: b"", "failed", {}, 1),
    ("returns too much", lambda _: "x" * 20_000 and ["x" * 20_000], "failed", {}, 1),
    ("returns what fits just so", lambda _: ["x" * 16_380], "done", {"result": json.dumps(["x" * 16_380])}, 1),
]


@pytest.mark.parametrize("kind", ["inline", "auto", "async"])
@pytest.mark.parametrize(
    ("handle", "status", "attributes", "runs"), [row[1:] for row in CONTRACT], ids=[row[0] for row in CONTRACT]
)
@asynchronous
async def test_each_way_to_end_has_a_clear_outcome(
    kind: str, handle: Callable[[Request], object], status: str, attributes: dict[str, str], runs: int
) -> None:
    """Given any handler, inline, in a thread or async, then outcome, text and number of calls are the same."""
    calls: list[int] = []

    def counted(request: Request) -> object:
        calls.append(request.attempt)
        return handle(request)

    async def counted_async(request: Request) -> object:
        return counted(request)

    function: Callable[..., Any] = counted_async if kind == "async" else counted
    runner = make_runner(Handler("t:t", function, kind == "async"), execution=kind, limit_seconds=10)
    bench = Bench(runner)
    record = bench.accept()
    await bench.shard.submit([record])
    draining = asyncio.create_task(bench.shard.drain())
    while not draining.done():
        await bench.clock.advance(0.1)
        await asyncio.sleep(0.001)
    await draining
    assert bench.status() == status
    assert len(calls) == runs
    for name, text in attributes.items():
        assert bench.item()[name] == {"S": text}
    if status == "failed":
        assert bench.item()["error"]["S"]
    assert bench.shard.position == record.sequence_number
    bench.shard.close()


@asynchronous
async def test_tries_in_process_pause_and_keep_the_attempt() -> None:
    """Given two raises and a success, then it is done after two pauses, all at attempt 0, no try counted."""
    attempts: list[int] = []

    def handle(request: Request) -> None:
        attempts.append(request.attempt)
        if len(attempts) < 3:
            raise ValueError("not yet")

    bench = Bench(InlineRunner(handle))
    await bench.run(bench.accept())
    assert (bench.status(), attempts, bench.item()["tries"]) == ("done", [0, 0, 0], {"N": "0"})
    assert bench.clock.slept == [0.1, 0.4]


@asynchronous
async def test_the_retry_schedule_is_followed_to_its_end() -> None:
    """Given a handler that always meets a timeout, then each wait is the schedule's, and the last is failed."""
    schedule = (5.0, 60.0, 300.0)
    started: list[int] = []

    def handle(_: Request) -> None:
        started.append(bench.clock.now_ms())
        raise TimeoutError("slow")

    bench = Bench(InlineRunner(handle), policy=Policy(handler_tries=1, retry_schedule_seconds=schedule))
    sweep = Sweep(requests=bench.requests, clock=bench.clock, counters=bench.counters, options=SweepOptions())
    bench.accept()
    fed = 0
    for _ in range(500):
        batch, fed = bench.feed[fed:], len(bench.feed)
        await bench.run(*batch)
        await bench.clock.advance(1)
        await sweep.once()
    waits = [(later - earlier) / 1000 for earlier, later in itertools.pairwise(started)]
    assert len(waits) == len(schedule)
    assert all(wanted <= wait <= wanted + 3 for wait, wanted in zip(waits, schedule, strict=True)), waits
    assert bench.status() == "failed"
    assert bench.item()["error"] == {"S": "TimeoutError: slow (given up after 4 tries)"}
    assert bench.item()["tries"] == {"N": "3"}


def full_item(bench: Bench, room: int) -> StreamRecord:
    """Accept a request whose item has this many bytes left."""
    used = item_bytes(image(request=""))
    return bench.accept(request="x" * (ITEM_MAX_BYTES - used - room))


@pytest.mark.parametrize(
    ("room", "ending", "status", "kept"),
    [
        (20_000, Returned(["x" * 9_000]), "done", True),
        (5_000, Returned(["x" * 9_000]), "done", False),
        (100, Returned(["x" * 9_000]), "done", False),
        (2_000, Raised(Reject("y" * 1_000)), "failed", True),
        (500, Raised(Reject("y" * 1_000)), "failed", False),
        (2_000, Raised(RetryLater("y" * 1_000)), "waiting", True),
        (500, Raised(RetryLater("y" * 1_000)), "waiting", False),
    ],
)
@asynchronous
async def test_an_item_without_room_takes_a_smaller_outcome(
    room: int, ending: Ending, status: str, *, kept: bool
) -> None:
    """Too large: the result is dropped, then the error cut; the status is always right."""

    async def script(_: Request) -> Ending:
        return ending

    bench = Bench(ScriptedRunner(script))
    await bench.run(full_item(bench, room))
    assert bench.status() == status
    text = bench.item().get({"done": "result", "failed": "error", "waiting": "last_error"}[status], {"S": ""})["S"]
    assert (len(text) >= 1_000) is kept
    assert bench.shard.unresolved == 0


@asynchronous
async def test_an_item_that_takes_nothing_never_holds_the_shard(caplog: pytest.LogCaptureFixture) -> None:
    """Given an item with no room at all, then its failure is counted and logged, and the position moves on."""

    async def script(_: Request) -> Ending:
        return Raised(Reject("y" * 1_000))

    bench = Bench(ScriptedRunner(script))
    record = full_item(bench, 0)
    await bench.run(record, bench.accept("caller#two"))
    assert bench.status("caller#two") == "failed"
    assert bench.counters.totals()["unwritable"] == 1
    assert bench.shard.unresolved == 0
    assert "outcome_unwritable" in [line.getMessage() for line in caplog.records]


@asynchronous
async def test_a_write_the_table_calls_invalid_is_made_smaller_then_given_up() -> None:
    """A refusal that concerns one item never holds the others."""
    bench = Bench(InlineRunner(lambda _: {"a": 1}))
    bench.requests.instead = lambda write: WriteResult.INVALID if write.id == "caller#bad" else None
    await bench.run(bench.accept("caller#bad"), bench.accept("caller#good"))
    assert bench.status("caller#good") == "done"
    assert bench.counters.totals()["unwritable"] == 1
    assert bench.shard.position == "2"


@asynchronous
async def test_an_unreachable_table_holds_the_position_and_nothing_is_lost() -> None:
    """Given the table out of reach, then outcomes wait; when it is back, all settle and the position moves."""
    calls: list[str] = []

    def handle(request: Request) -> None:
        calls.append(request.id)

    bench = Bench(InlineRunner(handle), concurrency=10)
    records = [bench.accept(f"caller#{index}") for index in range(40)]
    bench.requests.reachable = False
    submitting = asyncio.create_task(bench.shard.submit(records))
    await bench.clock.advance(100)
    assert bench.shard.position is None
    assert len(calls) == 10, "no more is taken than the window holds"
    assert bench.shard.failing_seconds() > 90
    bench.requests.reachable = True
    while not submitting.done():
        await bench.clock.advance(1)
    await submitting
    await bench.shard.drain()
    assert bench.shard.failing_seconds() == 0
    assert sorted(calls) == sorted(f"caller#{index}" for index in range(40))
    assert all(bench.status(f"caller#{index}") == "done" for index in range(40))
    assert bench.shard.position == "40"


@asynchronous
async def test_a_table_that_cannot_be_read_counts_as_unreachable() -> None:
    """Given a backlog after a restart, where only reads are made, then the outage is seen and waited out."""
    bench = Bench(InlineRunner(lambda _: None))
    record = bench.accept()
    await bench.clock.advance(60)
    bench.requests.reachable = False
    submitting = asyncio.create_task(bench.shard.submit([record]))
    await bench.clock.advance(100)
    assert bench.shard.failing_seconds() > 90
    bench.requests.reachable = True
    while not submitting.done():
        await bench.clock.advance(1)
    await bench.shard.drain()
    assert (bench.status(), bench.shard.failing_seconds()) == ("done", 0)


@asynchronous
async def test_a_table_that_answers_retry_to_everything_counts_as_unreachable() -> None:
    """A missing table or permission is reported per statement: it is an outage all the same."""
    bench = Bench(InlineRunner(lambda _: None))
    bench.requests.instead = lambda _: WriteResult.RETRY
    await bench.shard.submit([bench.accept()])
    await bench.clock.advance(100)
    assert bench.shard.failing_seconds() > 90
    bench.requests.instead = lambda _: None
    await bench.clock.advance(10)
    await bench.shard.drain()
    assert (bench.status(), bench.shard.failing_seconds()) == ("done", 0)


@asynchronous
async def test_a_throttled_statement_is_repeated_and_holds_no_other() -> None:
    """Given one write of a batch throttled twice, then the others are settled at once and it follows."""
    refusals = {"caller#3": 2}

    def throttle(write: Write) -> WriteResult | None:
        if refusals.get(write.id, 0):
            refusals[write.id] -= 1
            return WriteResult.RETRY
        return None

    bench = Bench(InlineRunner(lambda _: None))
    bench.requests.instead = throttle
    await bench.shard.submit([bench.accept(f"caller#{index}") for index in range(10)])
    await settle()
    assert [index for index in range(10) if bench.status(f"caller#{index}") != "done"] == [3]
    assert bench.shard.position == "3"
    await bench.clock.advance(20)
    assert bench.status("caller#3") == "done"
    assert bench.shard.position == "10"


@asynchronous
async def test_a_lost_answer_makes_no_second_outcome() -> None:
    """Given a write that was made and whose answer was lost, then its repeat is refused and the request is resolved."""
    bench = Bench(InlineRunner(lambda _: "sold out"))
    made: list[Write] = []

    def lose_first_answer(write: Write) -> WriteResult | None:
        if not made:
            made.append(write)
            asyncio.get_running_loop().create_task(bench.table.write([write]))
            return WriteResult.RETRY
        return None

    bench.requests.instead = lose_first_answer
    await bench.run(bench.accept())
    assert bench.status() == "failed"
    assert len(bench.changes) == 2, "one INSERT, one outcome"
    assert bench.shard.unresolved == 0


@asynchronous
async def test_a_call_past_its_limit_waits_and_its_late_success_is_taken() -> None:
    """Given a thread that outlasts its limit, then waiting, slot free; when it returns after all, done."""
    release = threading.Event()

    def handle(_: Request) -> str | dict[str, int]:
        release.wait()
        return {"late": 1}

    bench = Bench(ThreadRunner(handle, limit_seconds=0.01), concurrency=1)
    record = bench.accept()
    await bench.shard.submit([record])
    await bench.shard.drain()
    assert bench.status() == "waiting"
    assert "0.01 s" in bench.item()["last_error"]["S"]
    assert bench.shard.position == record.sequence_number
    assert bench.shard.lost_handlers == 1
    release.set()
    await until(lambda: bench.status() == "done")
    assert bench.item()["result"] == {"S": '{"late":1}'}
    assert bench.shard.lost_handlers == 0
    assert "queue" not in bench.item()
    bench.shard.close()


@pytest.mark.parametrize("late", [Returned("too late"), Raised(ValueError()), TimedOut(1)])
@asynchronous
async def test_a_late_failure_changes_nothing(late: Ending) -> None:
    """The request waits for its next attempt as before."""
    gates = Gates()
    bench = Bench(ScriptedRunner(gates))
    ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    await bench.shard.submit([bench.accept()])
    await settle()
    gates.end("caller#one", TimedOut(60, ended))
    await bench.shard.drain()
    before = dict(bench.item())
    ended.set_result(late)
    await settle()
    assert (bench.status(), bench.item()) == ("waiting", before)


@asynchronous
async def test_a_late_success_after_a_settled_retry_changes_nothing() -> None:
    """At most one outcome: the second attempt's failure stands."""
    gates = Gates()
    bench = Bench(ScriptedRunner(gates))
    ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    await bench.shard.submit([bench.accept()])
    await settle()
    gates.end("caller#one", TimedOut(60, ended))
    await bench.shard.drain()
    bench.table.put({**bench.item(), "status": {"S": "failed-a"}, "error": {"S": "x"}})
    ended.set_result(Returned(None))
    await settle()
    assert (bench.status(), bench.item()["error"]) == ("failed", {"S": "x"})


@asynchronous
async def test_an_async_handler_past_its_limit_is_cancelled_and_waits() -> None:
    """Given a coroutine that never ends, then it is cancelled, its request waits, and nothing is lost."""
    cancelled = threading.Event()

    async def handle(_: Request) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    bench = Bench(LoopRunner(handle, limit_seconds=0.01))
    await bench.shard.submit([bench.accept()])
    await bench.shard.drain()
    assert bench.status() == "waiting"
    await until(cancelled.is_set)
    assert bench.shard.lost_handlers == 0
    bench.shard.close()


@asynchronous
async def test_handlers_that_hang_free_their_slots_for_others() -> None:
    """Given one slot and a hung thread, then 200 requests accepted after it settle before it."""
    release = threading.Event()

    def handle(request: Request) -> None:
        if request.id == "caller#hung":
            release.wait()

    bench = Bench(ThreadRunner(handle, limit_seconds=0.05), concurrency=1)
    await bench.shard.submit([bench.accept("caller#hung"), *(bench.accept(f"caller#{index}") for index in range(200))])
    await bench.shard.drain()
    assert all(bench.status(f"caller#{index}") == "done" for index in range(200))
    assert bench.status("caller#hung") == "waiting"
    assert bench.shard.unresolved == 0
    release.set()
    await until(lambda: bench.status("caller#hung") == "done")
    bench.shard.close()


@asynchronous
async def test_logs_of_outcomes_hold_no_text_of_errors(caplog: pytest.LogCaptureFixture) -> None:
    """An error's text may quote the payload: it goes to the item, its type to the log."""
    bench = Bench(InlineRunner(raising(ValueError("secret-4711"))))
    await bench.run(bench.accept())
    assert "secret-4711" in bench.item()["error"]["S"]
    lines = " ".join(str(vars(line)) for line in caplog.records)
    assert "ValueError" in lines
    assert "secret-4711" not in lines


@asynchronous
async def test_a_base64_body_that_is_none_fails_its_request() -> None:
    """Nobody wrote it through the API; it holds nobody up."""
    bench = Bench(InlineRunner(lambda _: None))
    await bench.run(bench.accept(encoding="base64", request="%"))
    assert bench.status() == "failed"
    assert "base64" in bench.item()["error"]["S"]


@pytest.mark.parametrize("after_seconds", [0, 1e-9, 1e18, 1e300, 1e308])
@asynchronous
async def test_any_wait_a_handler_asks_for_can_be_stored(after_seconds: float) -> None:
    """However long, the request is waiting and its due time is a number DynamoDB takes."""
    bench = Bench(InlineRunner(raising(RetryLater("busy", after_seconds=after_seconds))))
    await bench.run(bench.accept())
    assert bench.status() == "waiting"
    assert len(bench.item()["due_at"]["N"]) <= 20


class HostileError(Exception):
    """An error that raises whatever is asked of it."""

    def __str__(self) -> str:
        raise RuntimeError("no message")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class HostileResult(dict[str, int]):
    """A result that raises when it is written down."""

    def items(self) -> Any:
        """Raise."""
        raise LookupError("closed")


@pytest.mark.parametrize("handle", [raising(HostileError()), lambda _: HostileResult(a=1)])
@asynchronous
async def test_nothing_a_handler_hands_over_breaks_the_shard(handle: Callable[[Request], object]) -> None:
    """Errors and results may do anything when they are looked at: failed, and the next one runs."""
    bench = Bench(InlineRunner(handle))
    await bench.run(bench.accept())
    assert bench.status() == "failed"
    await bench.run(bench.accept("caller#two"))
    assert bench.shard.unresolved == 0

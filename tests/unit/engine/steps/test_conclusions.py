"""Ends of handlers that came to fewer steps than the journal knows, or that were cut off while one was being kept."""

import asyncio

import pytest

from dropslot import AsyncSteps, Reject, RetryLater
from dropslot.core.journal import DONE, FAILED, UNDONE, JournalWrite
from dropslot.core.policy import Policy
from dropslot.core.request import Request
from tests.unit.engine.doubles import asynchronous, settle
from tests.unit.engine.steps.stepped import Shop, StepBench, threaded

ONE_TRY = Policy(handler_tries=1)


@pytest.mark.parametrize("undoing", [True, False])
@asynchronous
async def test_a_handler_that_comes_to_no_step_any_more_is_not_done(*, undoing: bool) -> None:
    """Given finished steps, and an attempt that returns before the first, they are told of: no success."""
    shop, attempts = Shop(), list[int]()

    async def handle(request: Request, steps: AsyncSteps) -> dict[str, int] | None:
        attempts.append(request.attempt)
        if len(attempts) > 1:
            return {"nothing": 1}
        await steps.run("a", shop.act("a"), undo=shop.undo("a"))
        await steps.run("b", shop.act("b"), undo=shop.undo("b"))
        raise Reject("no") if undoing else RetryLater("later")

    if undoing:
        shop.fails("undo a", RetryLater("closed"))
    bench = StepBench(handle, policy=ONE_TRY)
    assert await bench.accepted() == "waiting"
    assert await bench.sweep(6) == "failed"
    if undoing:
        assert bench.error() == "no; not undone: a (the handler didn't come to it)"
    else:
        assert bench.error().startswith("the handler returned after 0 steps, and had run 'a' after these before")
        assert bench.entry.closed == FAILED


@asynchronous
async def test_a_failure_before_any_step_waits_for_the_worker_that_is_in_one() -> None:
    """Given a worker in its first step, when another one fails before it comes to any, then the first one decides."""
    shop, gate, calls = Shop(), asyncio.Event(), list[int]()

    async def slow() -> str:
        await gate.wait()
        return shop.called("a")

    async def handle(_: Request, steps: AsyncSteps) -> None:
        calls.append(1)
        if len(calls) > 1:
            raise Reject("bad from the start")
        await steps.run("a", slow, undo=shop.undo("a"))

    bench = StepBench(handle, policy=ONE_TRY, limit_seconds=1000)
    record = bench.accept()
    await bench.shard.submit([record])
    await settle(60)
    first, bench.shard = bench.shard, bench.new_shard()
    await bench.shard.submit([bench.again(record)])
    await settle(60)
    assert bench.status() == "waiting"
    gate.set()
    await settle(100)
    await bench.clock.advance(1)
    assert bench.status() == "done"
    assert bench.entry.closed == DONE
    first.close()


@asynchronous
async def test_a_step_that_is_kept_while_its_handler_is_cut_off_is_undone() -> None:
    """Given a handler that gives up a step while that is being kept, then fails, the step is undone like others."""
    shop = Shop()

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", shop.act("a"), undo=shop.undo("a"))
        try:
            async with asyncio.timeout(0.05):
                await steps.run("charge", shop.act("charge"), undo=shop.undo("charge"))
        except TimeoutError:
            raise Reject("too slow") from None

    async def before(write: JournalWrite) -> None:
        if ("steps", 1) in write.sets:
            await asyncio.sleep(0.3)

    bench = StepBench(handle, runner=threaded(handle), policy=ONE_TRY)
    bench.journal.before = before
    assert await bench.accepted() == "failed"
    assert shop.calls == ["a", "charge", "undo charge charge-2", "undo a a-1"]
    assert bench.entry.closed == UNDONE
    bench.shard.close()


@asynchronous
async def test_a_journal_has_room_for_why_each_step_cannot_be_undone() -> None:
    """Given as many steps as there may be, and undos that fail with long errors, then all of them are noted."""
    count = 250

    async def act() -> str:
        return "x" * 700

    async def undo(_: str) -> None:
        raise ValueError("y" * 1500)

    async def handle(_: Request, steps: AsyncSteps) -> None:
        for number in range(count):
            await steps.run(f"{number} {'é' * 40}", act, undo=undo)
        raise Reject("no")

    bench = StepBench(handle, policy=ONE_TRY, limit_seconds=100_000)
    assert await bench.accepted() == "failed"
    assert bench.error().startswith("no; not undone: ")
    assert all(step.undo_error.startswith("ValueError: yyy") for step in bench.entry.steps)
    assert len(bench.entry.steps) == count

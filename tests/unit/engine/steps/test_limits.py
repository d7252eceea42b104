"""Time limits of steps and of handlers, and what becomes of what passes them."""

import asyncio
import threading

import pytest

from dropslot import AsyncSteps, RetryLater, StepPolicy, Steps, StepTimeoutError
from dropslot.core.journal import UNDONE, JournalWrite
from dropslot.core.policy import Policy
from dropslot.core.request import Request
from dropslot.engine.steps.visit import PARKED
from tests.unit.engine.doubles import asynchronous, settle, until
from tests.unit.engine.steps.stepped import Shop, StepBench, threaded


@asynchronous
async def test_a_plain_step_that_passes_its_limit_is_left_in_its_thread() -> None:
    """Given a step that hangs, then its handler gets the error, the request waits, and the thread counts as lost."""
    gate = threading.Event()
    tries: list[str] = []

    def hang() -> None:
        tries.append("hang")
        gate.wait()

    def handle(_: Request, steps: Steps) -> None:
        with pytest.raises(StepTimeoutError, match=r"did not return within 0\.02 s"):
            steps.run("hangs", hang, timeout_seconds=0.02)
        raise RetryLater("later")

    bench = StepBench(handle)
    assert await bench.accepted() == "waiting"
    assert tries == ["hang"]  # it may still be at work: no other try beside it
    assert bench.shard.lost_handlers == 1
    gate.set()
    await until(lambda: bench.shard.lost_handlers == 0)
    assert not bench.entry.steps
    bench.shard.close()


@asynchronous
async def test_an_async_step_that_passes_its_limit_is_cancelled() -> None:
    """Given a step that hangs, then it is cut off, and the request waits on its schedule."""
    ended: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cut off")

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("hangs", hang, timeout_seconds=0.02)

    bench = StepBench(handle)
    bench.is_inline = False
    assert await bench.accepted() == "waiting"
    assert ended == ["cut off"]
    assert bench.error() == "StepTimeoutError: the step did not return within 0.02 s"
    assert not bench.entry.owner


@asynchronous
async def test_a_plain_step_of_an_async_handler_has_a_limit_as_well() -> None:
    """Given a plain function that hangs in an async handler, then the handler goes on without it."""
    gate = threading.Event()

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("hangs", gate.wait, timeout_seconds=0.02)

    runner = threaded(handle)
    bench = StepBench(handle, runner=runner)
    assert await bench.accepted() == "waiting"
    assert runner.lost == 1
    gate.set()
    await until(lambda: runner.lost == 0)
    bench.shard.close()


@pytest.mark.parametrize("kind", ["inline", "thread"])
@asynchronous
async def test_a_timeout_of_the_functions_own_is_no_limit(kind: str) -> None:
    """Given a step that raises a TimeoutError itself, then it is tried again as with any error."""
    shop = Shop()
    shop.fails("a", TimeoutError("no answer"))

    def plain(_: Request, steps: Steps) -> None:
        steps.run("a", shop.plain_act("a"), timeout_seconds=20)

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", shop.act("a"), timeout_seconds=20)

    bench = StepBench(plain if kind == "thread" else handle)
    assert await bench.accepted() == "done"
    assert shop.calls == ["a", "a"]
    bench.shard.close()


@pytest.mark.parametrize("seconds", [29, 31])
@asynchronous
async def test_a_handler_whose_time_is_half_used_up_is_parked(seconds: float) -> None:
    """Given steps that take almost, or more than, half of the time, then the next one is run now, or at once anew."""
    shop = Shop()

    async def slow() -> None:
        shop.called("slow")
        await bench.clock.sleep(seconds)

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("slow", slow)
        await steps.run("b", shop.act("b"))

    bench = StepBench(handle, limit_seconds=60)
    status = await bench.accepted()
    if seconds < 30:
        assert status == "done"
        return
    assert status == "waiting"
    assert bench.error() == PARKED
    assert int(bench.item()["tries"]["N"]) == 0
    assert not bench.entry.owner
    assert await bench.sweep(1) == "done"
    assert shop.calls == ["slow", "b"]


@asynchronous
async def test_what_is_finished_takes_no_time() -> None:
    """Given a handler that has used up its time between finished steps, then its first fresh step is run."""
    shop = Shop()
    shop.fails("b", RetryLater())

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", shop.act("a"))
        await bench.clock.sleep(waits.pop(0))
        await steps.run("b", shop.act("b"))

    waits = [1.0, 59.0]
    bench = StepBench(handle, limit_seconds=60)
    assert await bench.accepted() == "waiting"
    assert await bench.sweep(10) == "done"
    assert shop.calls == ["a", "b", "b"]


@pytest.mark.parametrize(("limit", "status"), [(20, "done"), (30, "waiting")])
@asynchronous
async def test_a_step_with_a_limit_is_run_if_that_much_is_left(limit: float, status: str) -> None:
    """Given a step with a limit of its own, then what is left must be as much, not half of the handler's time."""
    shop = Shop()

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("slow", bench.clock.sleep, 35)
        await steps.run("b", shop.act("b"), timeout_seconds=limit)

    bench = StepBench(handle, limit_seconds=60)
    assert await bench.accepted() == status
    assert shop.calls == (["b"] if status == "done" else [])


@asynchronous
async def test_undos_are_parked_as_well() -> None:
    """Given undos that take long, then the request waits between two of them without a failure, and goes on."""
    shop = Shop()

    async def slow(result: object) -> None:
        shop.called(f"undo {result}")
        await bench.clock.sleep(40)

    async def handle(_: Request, steps: AsyncSteps) -> None:
        for name in ("a", "b"):
            await steps.run(name, shop.act(name), undo=slow)
        raise ValueError("no")

    bench = StepBench(handle, policy=Policy(handler_tries=1))
    assert await bench.accepted() == "waiting"
    assert bench.error() == PARKED
    assert shop.calls == ["a", "b", "undo b-2"]
    assert await bench.sweep(1) == "failed"
    assert shop.calls == ["a", "b", "undo b-2", "undo a-1"]
    assert bench.entry.undo_tries == 0


def hanging(shop: Shop, gate: threading.Event, *, then: str = "") -> StepBench:
    """Return a shard whose plain handler passes its limit in its step, or behind it."""

    def slow() -> str:
        gate.wait()
        return shop.called("slow")

    def handle(request: Request, steps: Steps) -> str | None:
        if then != "behind":
            steps.run("slow", slow)
        else:
            steps.run("slow", shop.plain_act("slow"))
            gate.wait()
        if then == "next":
            steps.run("next", shop.plain_act("next"))
        if then == "caught":
            try:
                steps.run("next", shop.plain_act("next"))
            except Exception:  # noqa: BLE001 - what such handlers do
                shop.calls.append("caught")
        return None

    return StepBench(handle, runner=threaded(handle, limit_seconds=0.3))


@asynchronous
async def test_a_step_that_ends_after_its_handlers_limit_is_noted_and_the_next_is_not_run() -> None:
    """Given a handler that passes its limit in a step, then what that comes to is kept, and the request resumes."""
    shop, gate = Shop(), threading.Event()
    bench = hanging(shop, gate, then="next")
    assert await bench.accepted() == "waiting"
    assert bench.error() == "the handler did not return within 0.3 s"
    assert bench.entry.owner  # nobody begins beside it
    gate.set()
    await until(lambda: bool(bench.entry.steps) and bench.shard.lost_handlers == 0)
    assert shop.calls == ["slow"]
    assert await bench.sweep(10) == "waiting"
    assert await bench.sweep(40) == "done"
    assert shop.calls == ["slow", "next"]
    bench.shard.close()


@pytest.mark.parametrize("then", ["", "behind"])
@asynchronous
async def test_a_handler_that_succeeds_after_its_limit_has_succeeded(then: str) -> None:
    """Given a handler that returns after its limit, and nobody who has begun since, then its success counts."""
    shop, gate = Shop(), threading.Event()
    bench = hanging(shop, gate, then=then)
    assert await bench.accepted() == "waiting"
    gate.set()
    await until(lambda: bench.entry.closed == "done")
    await bench.clock.advance(1)
    assert bench.status() == "done"
    assert shop.calls == ["slow"]
    bench.shard.close()


@asynchronous
async def test_a_late_success_without_one_of_its_steps_is_none() -> None:
    """Given a handler that catches that its next step isn't run any more, then the request resumes there."""
    shop, gate = Shop(), threading.Event()
    bench = hanging(shop, gate, then="caught")
    assert await bench.accepted() == "waiting"
    gate.set()
    await until(lambda: "caught" in shop.calls and bench.shard.lost_handlers == 0)
    await bench.clock.advance(1)
    assert not bench.entry.closed
    assert await bench.sweep(40) == "done"
    assert shop.calls == ["slow", "caught", "next"]
    bench.shard.close()


@asynchronous
async def test_a_late_success_counts_for_nothing_once_another_has_begun() -> None:
    """Given a handler that returns long after its limit, when the request has been run anew, then it moves nothing."""
    shop, gate = Shop(), threading.Event()
    bench = hanging(shop, gate, then="behind")
    await bench.accepted()
    await bench.clock.advance(40)
    taken = await bench.sweep(1)
    assert taken == "waiting"  # the second call passes its limit, too
    owner = bench.entry.owner
    gate.set()
    await until(lambda: bench.shard.lost_handlers == 0)
    await bench.clock.advance(1)
    assert bench.entry.closed_by == owner
    assert shop.calls == ["slow"]
    bench.shard.close()


@asynchronous
async def test_a_step_that_ends_while_the_others_are_undone_is_not_noted() -> None:
    """Given a handler that passes its limit for the last time, then what its step comes to is of no use any more."""
    shop, gate, undo_gate = Shop(), threading.Event(), threading.Event()

    def undo(_: str) -> None:
        shop.called("undo")
        undo_gate.wait()

    def slow() -> None:
        gate.wait()
        shop.called("slow")

    def handle(_: Request, steps: Steps) -> None:
        steps.run("a", shop.plain_act("a"), undo=undo)
        steps.run("slow", slow)

    policy = Policy(retry_schedule_seconds=())
    bench = StepBench(handle, runner=threaded(handle, limit_seconds=1.0), policy=policy)
    bench.accept()
    going = asyncio.create_task(bench.go())
    await until(lambda: "undo" in shop.calls)
    gate.set()
    await until(lambda: bench.shard.lost_handlers == 0)
    undo_gate.set()
    assert await going == "failed"
    assert [step.name for step in bench.entry.steps] == ["a"]
    assert bench.entry.closed == UNDONE
    bench.shard.close()


@asynchronous
async def test_a_step_that_ends_at_the_very_turn_is_not_noted_beside_it() -> None:
    """Given a step that ends while the turn is being written, then it waits for that, and isn't noted."""
    shop, gate = Shop(), threading.Event()
    turning, go_on = asyncio.Event(), asyncio.Event()

    async def hold(write: JournalWrite) -> None:
        if write.kind == "turn":
            turning.set()
            await go_on.wait()

    def slow() -> None:
        gate.wait()
        shop.called("slow")

    def handle(_: Request, steps: Steps) -> None:
        steps.run("a", shop.plain_act("a"), undo=shop.plain_undo("a"))
        steps.run("slow", slow, undo=shop.plain_undo("slow"))

    bench = StepBench(handle, runner=threaded(handle, limit_seconds=1.0), policy=Policy(retry_schedule_seconds=()))
    bench.journal.before = hold
    bench.accept()
    going = asyncio.create_task(bench.go())
    await turning.wait()
    gate.set()
    await until(lambda: "slow" in shop.calls)
    await asyncio.sleep(0.05)  # it comes to its note, or would
    assert "turn" in bench.journal.kinds[-1:]
    go_on.set()
    assert await going == "failed"
    await until(lambda: bench.shard.lost_handlers == 0)
    assert [step.name for step in bench.entry.steps] == ["a"]
    assert bench.entry.closed == UNDONE
    bench.shard.close()


@asynchronous
async def test_a_claim_that_comes_after_the_limit_is_let_go_of() -> None:
    """Given a journal that answers only after the handler's limit, then no step is run, and the lease isn't kept."""
    shop = Shop()
    gate = asyncio.Event()

    async def slow(_: object) -> None:
        await gate.wait()

    handle = shop.plain_order("a")
    bench = StepBench(handle, runner=threaded(handle, limit_seconds=0.3))
    bench.journal.before = slow
    assert await bench.accepted() == "waiting"
    gate.set()
    await until(lambda: bench.shard.lost_handlers == 0)
    await settle()
    assert shop.calls == []
    assert not bench.entry.owner
    bench.journal.before = None
    assert await bench.sweep(10) == "done"
    bench.shard.close()


@asynchronous
async def test_an_async_handler_that_is_cut_off_resumes_behind_what_is_finished() -> None:
    """Given an async handler that passes its limit between two steps, then it is cut off, and resumed there."""
    shop = Shop()
    hangs = [True]

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", shop.act("a"))
        if hangs.pop() if hangs else False:
            await asyncio.Event().wait()
        await steps.run("b", shop.act("b"))

    bench = StepBench(handle, runner=threaded(handle, limit_seconds=0.3))
    assert await bench.accepted() == "waiting"
    assert not bench.entry.owner  # it can't come back
    assert await bench.sweep(10) == "done"
    assert shop.calls == ["a", "b"]
    bench.shard.close()


@asynchronous
async def test_no_pause_between_tries_outlasts_the_handler() -> None:
    """Given a handler that passes its limit between two tries of a step, then there is no other."""
    shop = Shop()
    shop.fails("a", ValueError("once"))

    def handle(_: Request, steps: Steps) -> None:
        steps.run("a", shop.plain_act("a"), policy=StepPolicy(pauses_seconds=(60.0,)))

    bench = StepBench(handle, runner=threaded(handle, limit_seconds=0.3))
    bench.accept()
    work = asyncio.create_task(bench.shard.submit(bench.feed))
    await until(lambda: bench.shard.lost_handlers == 1)
    await bench.clock.advance(61)
    await until(lambda: bench.shard.lost_handlers == 0)
    await work
    await bench.shard.drain()
    assert shop.calls == ["a"]
    assert bench.status() == "waiting"
    bench.shard.close()

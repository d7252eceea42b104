"""Steps of a request: run once, kept, resumed behind, tried again by themselves."""

import asyncio
import json

import pytest

from dropslot import AsyncSteps, Reject, RetryLater, StepPolicy, Steps, step_key
from dropslot.core.journal import DONE
from dropslot.core.policy import Ending, Policy, Returned
from dropslot.core.request import Request
from dropslot.engine.ports import Runner
from tests.unit.engine.doubles import ScriptedRunner, asynchronous
from tests.unit.engine.steps.stepped import Handle, Shop, StepBench, raiser, threaded

KINDS = ("inline", "thread", "loop")


def bench_of(kind: str, shop: Shop, *names: str, policy: Policy | None = None) -> StepBench:
    """Return a shard with an order of these steps, called in the given way."""
    handle = shop.plain_order(*names) if kind == "thread" else shop.order(*names)
    if kind == "loop":
        return StepBench(lambda *_: None, runner=threaded(handle), policy=policy)
    return StepBench(handle, policy=policy)


@pytest.mark.parametrize("kind", KINDS)
@asynchronous
async def test_n_steps_cost_n_and_two_writes(kind: str) -> None:
    """Given five steps, then the journal takes seven writes and the request one."""
    shop = Shop()
    bench = bench_of(kind, shop, "a", "b", "c", "d", "e")
    assert await bench.accepted() == "done"
    assert bench.journal.kinds == ["begin", *["finish"] * 5, "close_done"]
    assert bench.journal.reads == 0
    assert len(bench.requests.batches) == 1
    assert json.loads(bench.item()["result"]["S"]) == ["a-1", "b-2", "c-3", "d-4", "e-5"]
    assert shop.calls == ["a", "b", "c", "d", "e"]
    bench.shard.close()


@asynchronous
async def test_a_plain_handler_makes_no_call_of_the_journal() -> None:
    """Given a handler without steps, then the journal isn't called, whatever comes of it."""

    async def script(_: Request) -> Ending:
        return Returned(None)

    bench = StepBench(lambda *_: None, runner=ScriptedRunner(script))
    assert await bench.accepted() == "done"
    assert (bench.journal.writes, bench.journal.reads) == ([], 0)


@asynchronous
async def test_a_handler_that_comes_to_no_step_makes_no_write() -> None:
    """Given a handler that takes steps and runs none, then one look whether there are any is all, once it has ended."""

    async def handle(_: Request, steps: AsyncSteps) -> None:
        then()

    then = raiser(RetryLater("not yet"))
    bench = StepBench(handle)
    assert await bench.accepted() == "waiting"
    assert (bench.journal.writes, bench.journal.reads) == ([], 0)
    assert await bench.sweep(10) == "done"
    assert (bench.journal.writes, bench.journal.reads) == ([], 1)


@asynchronous
async def test_a_failure_before_any_step_only_looks_whether_there_is_something_to_undo() -> None:
    """Given a handler that rejects a request before its first step, then one read is all."""
    bench = StepBench(Shop().order(then=raiser(Reject("no such dish"))))
    assert await bench.accepted() == "failed"
    assert bench.error() == "no such dish"
    assert (bench.journal.writes, bench.journal.reads) == ([], 1)


@pytest.mark.parametrize("kind", KINDS)
@asynchronous
async def test_a_request_resumes_behind_what_is_finished(kind: str) -> None:
    """Given a step that asks for a later attempt, then the request waits, and only that step is run again."""
    shop = Shop()
    shop.fails("b", RetryLater("closed", after_seconds=60))
    bench = bench_of(kind, shop, "a", "b", "c")
    assert await bench.accepted() == "waiting"
    assert bench.error() == "closed"
    assert not bench.entry.owner
    assert await bench.sweep(30) == "waiting"
    assert await bench.sweep(31) == "done"
    assert shop.calls == ["a", "b", "b", "c"]
    assert json.loads(bench.item()["result"]["S"])[0] == "a-1"
    assert bench.entry.attempt == 1
    assert bench.entry.began == 0
    bench.shard.close()


@asynchronous
async def test_the_shard_goes_on_while_a_request_waits_between_two_steps() -> None:
    """Given a step that asks for a later attempt, then its record is resolved."""
    shop = Shop()
    shop.fails("a", RetryLater())
    bench = StepBench(shop.order("a"))
    record = bench.accept()
    await bench.go()
    assert bench.shard.position == record.sequence_number


@pytest.mark.parametrize("kind", KINDS)
@asynchronous
async def test_a_step_is_tried_again_by_itself(kind: str) -> None:
    """Given a step that raises twice, then it alone is called again, after its policy's pauses."""
    shop = Shop()
    shop.fails("b", ValueError("once"), ValueError("twice"))
    bench = bench_of(kind, shop, "a", "b")
    assert await bench.accepted() == "done"
    assert shop.calls == ["a", "b", "b", "b"]
    assert [seconds for seconds in bench.clock.slept if seconds in {0.1, 0.4}] == [0.1, 0.4]
    assert bench.counters.totals()["handler_runs"] == 1
    bench.shard.close()


@asynchronous
async def test_a_policy_says_how_often_and_with_which_pauses() -> None:
    """Given a policy of a step's own, then its tries and pauses count, the last one again and again."""
    shop = Shop()
    shop.fails("a", *[ValueError("again")] * 3)

    async def handle(_: Request, steps: AsyncSteps) -> str:
        return str(await steps.run("a", shop.act("a"), policy=StepPolicy(tries=4, pauses_seconds=(2, 7))))

    bench = StepBench(handle, policy=Policy(handler_tries=1))
    await bench.accepted()
    assert shop.calls == ["a"] * 4
    assert [seconds for seconds in bench.clock.slept if seconds in {2, 7}] == [2, 7, 7]


@asynchronous
async def test_a_step_that_had_its_tries_has_the_handler_called_no_more() -> None:
    """Given a step that always raises, then it isn't called nine times: its tries and the handler's don't multiply."""
    shop = Shop()
    shop.fails("a", *[ValueError("never")] * 9)
    bench = StepBench(shop.order("a"), policy=Policy(handler_tries=3))
    assert await bench.accepted() == "failed"
    assert shop.calls == ["a"] * 3
    assert bench.error() == "ValueError: never"


@asynchronous
async def test_the_handlers_own_errors_are_met_with_other_calls_of_it() -> None:
    """Given a handler that raises between two steps, then it is called again, and finished steps are not."""
    shop = Shop()
    then = raiser(ValueError("once"), ValueError("twice"))

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", shop.act("a"))
        then()
        await steps.run("b", shop.act("b"))

    bench = StepBench(handle)
    assert await bench.accepted() == "done"
    assert shop.calls == ["a", "b"]
    assert bench.counters.totals()["handler_runs"] == 3


@pytest.mark.parametrize("error", [Reject("no"), RetryLater("later")])
@asynchronous
async def test_reject_and_retry_later_are_met_with_no_other_try(error: Exception) -> None:
    """Given one of the contract's own errors in a step, then it is called once."""
    shop = Shop()
    shop.fails("a", error)
    bench = StepBench(shop.order("a"))
    assert await bench.accepted() == ("failed" if isinstance(error, Reject) else "waiting")
    assert shop.calls == ["a"]


@asynchronous
async def test_an_error_that_may_pass_keeps_the_request_waiting_on_its_schedule() -> None:
    """Given a connection that is refused at each try, then the request waits, is run again, and fails in the end."""
    shop = Shop()
    shop.fails("b", *[ConnectionError("refused")] * 9)
    bench = StepBench(shop.order("a", "b"), policy=Policy(retry_schedule_seconds=(5, 60)))
    assert await bench.accepted() == "waiting"
    assert await bench.sweep(6) == "waiting"
    assert await bench.sweep(30) == "waiting"
    assert await bench.sweep(31) == "failed"
    assert shop.calls == ["a", *["b"] * 9, "undo a a-1"]


@asynchronous
async def test_a_handler_may_catch_what_a_step_raises() -> None:
    """Given a step whose error the handler meets itself, then the request is done."""
    shop = Shop()
    shop.fails("a", Reject("sold out"))

    async def handle(_: Request, steps: AsyncSteps) -> dict[str, str]:
        try:
            await steps.run("a", shop.act("a"))
        except Reject as reject:
            return {"instead": str(reject)}
        raise AssertionError

    bench = StepBench(handle)
    assert await bench.accepted() == "done"
    assert json.loads(bench.item()["result"]["S"]) == {"instead": "sold out"}


@asynchronous
async def test_no_step_is_run_behind_one_that_raised() -> None:
    """Given a handler that catches a step's error and runs another, which is not kept, it is told so."""
    shop = Shop()
    shop.fails("card", Reject("declined"))

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", shop.act("a"), undo=shop.undo("a"))
        try:
            await steps.run("card", shop.act("card"))
        except Reject:
            await steps.run("invoice", shop.act("invoice"))

    bench = StepBench(handle)
    assert await bench.accepted() == "failed"
    assert shop.calls == ["a", "card"]
    assert bench.error().startswith("step 'invoice' was begun after step 'card' had raised, which is not kept")


@asynchronous
async def test_a_step_that_raises_stop_iteration_had_its_tries() -> None:
    """Given an error that generators make another one of, then the step is tried no more often for it."""
    shop = Shop()
    shop.fails("a", *[StopIteration()] * 9)
    bench = StepBench(shop.plain_order("a"))
    assert await bench.accepted() == "failed"
    assert shop.calls == ["a"] * 3
    assert bench.error() == "RuntimeError: the step raised StopIteration"
    bench.shard.close()


@asynchronous
async def test_the_step_key_names_request_run_and_step() -> None:
    """Given a step and its undo, then downstream can tell each by its key, the same at every try."""
    shop = Shop()
    shop.fails("a", ValueError("again"))
    bench = StepBench(shop.order("a", then=raiser(Reject("no"))))
    await bench.accepted()
    first = f"caller#one#{bench.entry.key.accepted_at}#0#a"
    assert shop.keys == [first, first, f"{first}#undo"]


def test_there_is_no_step_key_outside_of_a_step() -> None:
    """Given code that no step calls, then asking for the key says so."""
    with pytest.raises(RuntimeError, match=r"steps\.run"):
        step_key()


@pytest.mark.parametrize("kind", ["thread", "loop", "inline"])
@asynchronous
async def test_the_step_key_is_gone_between_two_steps(kind: str) -> None:
    """Given a handler that asks for the key itself, then there is none: it is nobody's."""

    def plain(_: Request, steps: Steps) -> None:
        steps.run("a", step_key)
        step_key()

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", step_key)
        step_key()

    bench = StepBench(plain) if kind == "thread" else StepBench(handle, runner=_runner(kind, handle))
    await bench.accepted()
    assert bench.error().startswith("RuntimeError: step_key() is for the functions")
    bench.shard.close()


@pytest.mark.parametrize("kind", ["loop", "inline"])
@asynchronous
async def test_an_async_handler_may_have_plain_steps(kind: str) -> None:
    """Given a plain function in an async handler, then it is called in a thread, with its key."""
    seen: list[object] = []

    def look(order: object) -> str:
        seen.extend((order, step_key()))
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return "looked"

    async def handle(request: Request, steps: AsyncSteps) -> list[str]:
        return [await steps.run("look", look, request.json())]

    bench = StepBench(handle, runner=_runner(kind, handle))
    bench.is_inline = False
    await bench.accepted()
    assert seen == [{"order": 1}, bench.entry.key.step_key("look")]
    bench.shard.close()


@asynchronous
async def test_the_journal_is_closed_with_the_outcome_before_it_is_written() -> None:
    """Given a handler that returns, then its result is in the journal when the request's outcome is written."""
    shop = Shop()
    bench = StepBench(shop.order("a"))
    bench.requests.instead = lambda _: found.append(bench.entry.closed)
    found: list[str] = []
    await bench.accepted()
    assert found == [DONE]
    assert bench.entry.result == '["a-1"]'
    ttl = int(bench.journal.inner.items["caller#one", bench.entry.key.sort]["ttl"]["N"])
    assert ttl == int(bench.item()["ttl"]["N"]) + 7 * 86_400


def _runner(kind: str, handle: Handle) -> Runner | None:
    return threaded(handle) if kind == "loop" else None

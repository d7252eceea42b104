"""A request that fails for good: its finished steps are undone, one after the other, the last one first."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from dropslot import AsyncSteps, Reject, RetryLater, StepPolicy, Steps
from dropslot.core.journal import DONE, FAILED, STUCK, UNDONE
from dropslot.core.policy import KILLED_ITS_WORKER, MAX_STARTS, Policy
from dropslot.core.request import Request
from dropslot.engine.steps.claim import OUT_OF_REACH
from tests.unit.engine.doubles import asynchronous, settle
from tests.unit.engine.steps.stepped import Shop, StepBench, raiser, threaded


def failing(kind: str, shop: Shop, *names: str, policy: Policy | None = None) -> StepBench:
    """Return a shard whose handler rejects its request behind these steps."""
    then = raiser(*[Reject("no such street")] * 9)
    if kind == "thread":
        return StepBench(shop.plain_order(*names, then=then), policy=policy)
    handle = shop.order(*names, then=then)
    return StepBench(handle, runner=threaded(handle) if kind == "loop" else None, policy=policy)


@pytest.mark.parametrize("kind", ["inline", "thread", "loop"])
@asynchronous
async def test_finished_steps_are_undone_in_reverse(kind: str) -> None:
    """Given a request that is rejected behind three steps, then each is undone with its result, the last one first."""
    shop = Shop()
    bench = failing(kind, shop, "a", "b", "c")
    assert await bench.accepted() == "failed"
    assert shop.calls == ["a", "b", "c", "undo c c-3", "undo b b-2", "undo a a-1"]
    assert bench.error() == "no such street"
    assert bench.journal.kinds == ["begin", *["finish"] * 3, "turn", *["undone"] * 3, "close_undone"]
    assert bench.entry.closed == UNDONE
    assert bench.entry.error == "no such street"
    assert not bench.entry.owner
    assert bench.counters.totals()["undone"] == 1
    assert len(bench.requests.batches) == 1
    bench.shard.close()


@asynchronous
async def test_an_undo_gets_the_result_as_annotated_and_the_same_arguments() -> None:
    """Given a step with a type and arguments, then its undo is called with both."""
    got: list[object] = []

    async def pay(cents: int, currency: str) -> tuple[int, str]:
        return cents, currency

    async def refund(result: object, *arguments: object) -> None:
        got.append((result, arguments))

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("pay", pay, 250, "EUR", undo=refund)
        raise Reject("no")

    await StepBench(handle).accepted()
    assert got == [((250, "EUR"), (250, "EUR"))]


@pytest.mark.parametrize("how", ["returned error", "step", "step's last try", "not JSON", "schedule"])
@asynchronous
async def test_whatever_fails_a_request_for_good_undoes_it(how: str) -> None:
    """Given any way to fail for good, then the finished step is undone."""
    shop = Shop()
    faults: dict[str, list[BaseException]] = {
        "step": [Reject("no")],
        "step's last try": [ValueError("no")] * 3,
        "schedule": [RetryLater("no"), RetryLater("no")],
    }
    shop.fails("b", *faults.get(how, []))

    async def handle(_: Request, steps: AsyncSteps) -> object:
        await steps.run("a", shop.act("a"), undo=shop.undo("a"))
        await steps.run("b", shop.act("b"))
        return object() if how == "not JSON" else "no"

    bench = StepBench(handle, policy=Policy(retry_schedule_seconds=(5,)))
    await bench.accepted()
    await bench.sweep(10)
    assert bench.status() == "failed"
    assert shop.calls[-1] == "undo a a-1"
    assert shop.calls.count("undo a a-1") == 1
    assert bench.entry.closed == UNDONE


@asynchronous
async def test_steps_without_undo_are_left_as_they_are() -> None:
    """Given steps of which only one has an undo, then that one is undone, and the run counts as undone."""
    shop = Shop()

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", shop.act("a"))
        await steps.run("b", shop.act("b"), undo=shop.undo("b"))
        await steps.run("c", shop.act("c"))
        raise Reject("no")

    bench = StepBench(handle)
    await bench.accepted()
    assert shop.calls == ["a", "b", "c", "undo b b-2"]
    assert bench.entry.closed == UNDONE


@asynchronous
async def test_a_request_with_nothing_to_undo_goes_on_behind_what_is_finished() -> None:
    """Given steps without undo, then a retry of the failed request doesn't run them again."""
    shop = Shop()
    shop.fails("b", Reject("no"))

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", shop.act("a"))
        await steps.run("b", shop.act("b"))

    bench = StepBench(handle)
    assert await bench.accepted() == "failed"
    assert bench.entry.closed == FAILED
    assert bench.journal.kinds == ["begin", "finish", "close_failed"]
    assert await bench.retry() == "done"
    assert shop.calls == ["a", "b", "b"]
    assert len(bench.entries) == 1


@asynchronous
async def test_an_undo_is_tried_again_by_its_steps_policy() -> None:
    """Given an undo that raises once, then it is called again after the policy's pause, with the same key."""
    shop = Shop()
    shop.fails("undo a", ValueError("once"))

    async def handle(_: Request, steps: AsyncSteps) -> None:
        policy = StepPolicy(tries=2, pauses_seconds=(3,))
        await steps.run("a", shop.act("a"), undo=shop.undo("a"), policy=policy)
        raise Reject("no")

    bench = StepBench(handle)
    assert await bench.accepted() == "failed"
    assert shop.calls == ["a", "undo a a-1", "undo a a-1"]
    assert len(set(shop.keys)) == 2
    assert 3 in bench.clock.slept
    assert bench.entry.closed == UNDONE


@pytest.mark.parametrize("error", [ConnectionError("refused"), RetryLater("closed")])
@asynchronous
async def test_an_undo_that_may_pass_keeps_the_request_waiting_on_a_schedule_of_its_own(error: Exception) -> None:
    """Given an undo that can't be reached, then the request waits by the undo's own count, and resumes there."""
    shop = Shop()
    tries = 1 if isinstance(error, RetryLater) else 3
    shop.fails("undo a", *[error] * 2 * tries)
    bench = failing("inline", shop, "a", "b", policy=Policy(retry_schedule_seconds=(5, 60)))
    assert await bench.accepted() == "waiting"
    assert bench.error().startswith("undo: ")
    assert bench.entry.undo_tries == 1
    assert bench.entry.undoing
    assert not bench.entry.owner
    assert await bench.sweep(6) == "waiting"
    assert bench.entry.undo_tries == 2
    assert await bench.sweep(50) == "waiting"
    assert await bench.sweep(11) == "failed"
    assert shop.calls == ["a", "b", "undo b b-2", *["undo a a-1"] * (2 * tries + 1)]
    assert bench.error() == "no such street"
    assert int(bench.item()["tries"]["N"]) == 0
    assert bench.entry.closed == UNDONE


@asynchronous
async def test_an_undo_says_when_it_is_to_be_called_again() -> None:
    """Given an undo that asks for a time, then the request waits for as long."""
    shop = Shop()
    shop.fails("undo a", RetryLater("closed", after_seconds=500))
    bench = failing("inline", shop, "a")
    await bench.accepted()
    assert await bench.sweep(400) == "waiting"
    assert await bench.sweep(101) == "failed"


@pytest.mark.parametrize("kind", ["inline", "thread"])
@asynchronous
async def test_an_undo_that_fails_for_good_stops_none_of_the_others(kind: str) -> None:
    """Given an undo that can't be made, then the others are, and the error tells what is left and why."""
    shop = Shop()
    shop.fails("undo b", *[ValueError("refund refused")] * 3)
    bench = failing(kind, shop, "a", "b", "c")
    assert await bench.accepted() == "failed"
    assert shop.calls == ["a", "b", "c", "undo c c-3", *["undo b b-2"] * 3, "undo a a-1"]
    assert bench.error() == "no such street; not undone: b (ValueError: refund refused)"
    assert bench.entry.closed == STUCK
    assert [bool(step.undone_at) for step in bench.entry.steps] == [True, False, True]
    assert bench.entry.steps[1].undo_error == "ValueError: refund refused"
    assert bench.counters.totals()["not_undone"] == 1
    bench.shard.close()


@asynchronous
async def test_an_undo_that_fails_until_its_schedule_is_used_up_is_left() -> None:
    """Given an undo that can't be reached for as long as the schedule lasts, then the error tells so."""
    shop = Shop()
    shop.fails("undo a", *[RetryLater("closed")] * 2)
    bench = failing("inline", shop, "a", policy=Policy(retry_schedule_seconds=(5,)))
    assert await bench.accepted() == "waiting"
    assert await bench.sweep(6) == "failed"
    assert bench.error().startswith("no such street; not undone: a (RetryLater: closed")
    assert bench.entry.closed == STUCK


@asynchronous
async def test_a_schedule_that_is_used_up_is_told_of_the_undo_that_used_it_up() -> None:
    """Given an undo that is refused, and one behind it that meets passing errors to the end, then each has its own."""
    shop = Shop()
    shop.fails("undo c", *[RetryLater("c is closed")] * 2)
    shop.fails("undo b", Reject("refused"))
    shop.fails("undo a", *[RetryLater("a is closed")] * 9)
    rejects = raiser(*[Reject("no")] * 9)
    bench = StepBench(shop.order("a", "b", "c", then=rejects), policy=Policy(retry_schedule_seconds=(5,)))
    assert await bench.accepted() == "waiting"
    await bench.sweep(10)
    assert [step.undo_error for step in bench.entry.steps] == [
        "RetryLater: a is closed",
        "Reject: refused",
        "RetryLater: c is closed",
    ]
    assert shop.calls.count("undo b b-2") == 1
    assert bench.entry.closed == STUCK


@asynchronous
async def test_an_undo_that_is_given_up_holds_up_none_of_the_others() -> None:
    """Given an undo that fails as long as the schedule lasts, then those before it are undone, and only it is left."""
    shop = Shop()
    shop.fails("undo b", *[RetryLater("closed")] * 3)
    bench = failing("inline", shop, "a", "b", policy=Policy(retry_schedule_seconds=(5,)))
    assert await bench.accepted() == "waiting"
    assert await bench.sweep(6) == "failed"
    assert shop.calls == ["a", "b", "undo b b-2", "undo b b-2", "undo a a-1"]
    assert bench.error() == "no such street; not undone: b (RetryLater: closed)"
    assert [bool(step.undone_at) for step in bench.entry.steps] == [True, False]
    assert bench.entry.steps[1].undo_error == "RetryLater: closed"

    assert await bench.retry(undo_only=True) == "waiting"
    assert bench.entry.steps[1].undo_error == ""
    assert await bench.sweep(6) == "failed"
    assert bench.error() == "no such street"
    assert bench.entry.closed == UNDONE


@asynchronous
async def test_retry_undo_goes_on_with_what_is_left_and_no_further() -> None:
    """Given a request of which something is left, then `retry --undo` undoes that, and the request stays failed."""
    shop = Shop()
    shop.fails("undo b", *[ValueError("refund refused")] * 6)
    bench = failing("inline", shop, "a", "b")
    assert await bench.accepted() == "failed"
    shop.calls.clear()
    assert await bench.retry(undo_only=True) == "failed"
    assert shop.calls == ["undo b b-2"] * 3
    assert bench.error() == "no such street; not undone: b (ValueError: refund refused)"
    shop.calls.clear()
    assert await bench.retry(undo_only=True) == "failed"
    assert shop.calls == ["undo b b-2"]
    assert bench.error() == "no such street"
    assert bench.entry.closed == UNDONE
    assert len(bench.entries) == 1


@asynchronous
async def test_a_retry_after_compensation_is_a_new_run() -> None:
    """Given a request that was undone, then a retry runs each step once more, under keys that nobody has seen."""
    shop = Shop()
    shop.fails("c", Reject("sold out"))
    bench = StepBench(shop.order("a", "b", "c"))
    assert await bench.accepted() == "failed"
    first, count = set(shop.keys), len(shop.calls)
    assert await bench.retry() == "done"
    assert shop.calls[count:] == ["a", "b", "c"]
    assert not first & set(shop.keys[count:])
    assert [entry.key.run for entry in bench.entries] == [0, 1]
    assert [entry.closed for entry in bench.entries] == [UNDONE, DONE]
    assert bench.entry.began == 1


@asynchronous
async def test_a_new_run_that_is_interrupted_stays_the_same_run() -> None:
    """Given a retry after compensation that has to wait, then it resumes as the second run, and begins no third."""
    shop = Shop()
    shop.fails("b", Reject("sold out"), RetryLater())
    bench = StepBench(shop.order("a", "b"))
    assert await bench.accepted() == "failed"
    assert await bench.retry() == "waiting"
    assert await bench.sweep(10) == "done"
    assert shop.calls == ["a", "b", "undo a a-1", "a", "b", "b"]
    assert len(bench.entries) == 2


@asynchronous
async def test_a_retry_that_goes_on_and_fails_again_is_all_that_was_asked_for() -> None:
    """Given a run that failed with nothing undone, when a retry goes on and is undone, then that is all."""
    shop = Shop()
    shop.fails("a", Reject("sold out"))
    shop.fails("b", Reject("no money"), Reject("still none"))
    bench = StepBench(shop.order("a", "b"))
    assert await bench.accepted() == "failed"
    assert bench.entry.closed == FAILED

    assert await bench.retry() == "failed"
    assert bench.error() == "no money"
    assert await bench.sweep(600) == "failed"
    assert [entry.key.run for entry in bench.entries] == [0]
    assert shop.calls == ["a", "a", "b", "undo a a-1"]

    assert await bench.retry() == "failed"  # and this is asked for
    assert [entry.key.run for entry in bench.entries] == [0, 1]


@asynchronous
async def test_journals_of_earlier_runs_go_with_the_last_one() -> None:
    """Given a run that was undone before the one that is done, then both expire, at the same time."""
    shop = Shop()
    shop.fails("b", Reject("no money"), RetryLater())
    bench = StepBench(shop.order("a", "b"))
    assert await bench.accepted() == "failed"
    assert await bench.retry() == "waiting"
    assert await bench.sweep(10) == "done"
    first, last = (bench.journal.inner.items["caller#one", entry.key.sort] for entry in bench.entries)
    assert first["ttl"] == last["ttl"]
    assert bench.journal.kinds[-2:] == ["expire", "close_done"]


@asynchronous
async def test_a_forced_run_has_no_key_of_one_that_has_expired() -> None:
    """Given a forced request of whose runs only an earlier one is still there, then its next one has another number."""
    shop = Shop()
    shop.fails("b", Reject("no money"))
    bench = StepBench(shop.order("a", "b"))
    assert await bench.accepted() == "failed"
    assert await bench.retry() == "done"
    bench.journal.inner.delete(bench.entry.key)
    assert await bench.force() == "done"
    assert len(set(shop.keys)) == len(shop.keys)


@asynchronous
async def test_a_retry_of_a_request_of_which_something_is_left_undoes_that_first() -> None:
    """Given a request that is stuck, then a plain retry finishes its undo, and then runs it anew."""
    shop = Shop()
    shop.fails("b", Reject("sold out"))
    shop.fails("undo a", *[ValueError("refused")] * 3)
    bench = StepBench(shop.order("a", "b"))
    assert await bench.accepted() == "failed"
    shop.calls.clear()
    assert await bench.retry() == "waiting"
    assert shop.calls == ["undo a a-1"]
    assert await bench.sweep(5) == "done"
    assert shop.calls == ["undo a a-1", "a", "b"]
    assert [entry.closed for entry in bench.entries] == [UNDONE, DONE]


@asynchronous
async def test_a_forced_redrive_is_a_new_run() -> None:
    """Given a done request that an operator has run again, then each step is, under new keys."""
    shop = Shop()
    bench = StepBench(shop.order("a", "b"))
    assert await bench.accepted() == "done"
    assert await bench.force() == "done"
    assert shop.calls == ["a", "b"] * 2
    assert len(set(shop.keys)) == 4
    assert len(bench.entries) == 2


@asynchronous
async def test_nothing_goes_forward_again_once_it_is_being_undone() -> None:
    """Given a handler that would go on now, then it only shows its steps, and those that were never run aren't."""
    shop = Shop()
    shop.fails("b", Reject("sold out"))
    shop.fails("undo a", RetryLater())
    bench = StepBench(shop.order("a", "b", "c"))
    assert await bench.accepted() == "waiting"
    assert await bench.sweep(10) == "failed"
    assert shop.calls == ["a", "b", "undo a a-1", "undo a a-1"]
    assert bench.error() == "sold out"


@pytest.mark.parametrize("then", ["returns", "raises", "waits", "catches"])
@asynchronous
async def test_a_handler_that_has_shown_its_steps_has_done_enough(then: str) -> None:
    """Given a handler that ends in any way behind its finished steps, then they are undone now."""
    shop = Shop()
    shop.fails("undo b", RetryLater())
    attempts: list[int] = []

    async def handle(request: Request, steps: AsyncSteps) -> None:
        attempts.append(request.attempt)
        for name in ("a", "b"):
            await steps.run(name, shop.act(name), undo=shop.undo(name))
        if len(attempts) == 1:
            raise Reject("no")
        if then == "raises":
            raise ValueError("another")
        if then == "waits":
            raise RetryLater("not now")
        if then == "catches":
            with suppress(BaseException):
                await steps.run("c", shop.act("c"))

    bench = StepBench(handle, policy=Policy(handler_tries=1))
    assert await bench.accepted() == "waiting"
    assert await bench.sweep(10) == "failed"
    assert bench.error() == "no"
    assert shop.calls == ["a", "b", "undo b b-2", "undo b b-2", "undo a a-1"]


@asynchronous
async def test_steps_that_the_handler_does_not_show_any_more_are_left() -> None:
    """Given a handler that fails before its steps while they are to be undone, then the error lists them."""
    shop = Shop()
    shop.fails("undo b", RetryLater())
    first = [True]

    async def handle(_: Request, steps: AsyncSteps) -> None:
        if not first:
            raise Reject("another error")
        first.clear()
        for name in ("a", "b"):
            await steps.run(name, shop.act(name), undo=shop.undo(name))
        raise Reject("no")

    bench = StepBench(handle)
    assert await bench.accepted() == "waiting"
    assert await bench.sweep(10) == "failed"
    assert bench.error() == (
        "no; not undone: b (the handler didn't come to it: another error), a (the handler didn't come to it)"
    )
    assert bench.entry.closed == STUCK


@asynchronous
async def test_a_later_attempt_that_fails_before_its_steps_leaves_them_listed() -> None:
    """Given a handler that rejects a half-way request before its first step, then nobody knows how to undo that."""
    shop = Shop()
    shop.fails("b", RetryLater())
    first = [True]

    async def handle(request: Request, steps: AsyncSteps) -> None:
        if request.attempt:
            raise Reject("too late")
        await steps.run("a", shop.act("a"), undo=shop.undo("a"))
        await steps.run("b", shop.act("b"))

    bench = StepBench(handle)
    assert await bench.accepted() == "waiting"
    assert await bench.sweep(10) == "failed"
    assert bench.error() == "too late; not undone: a (the handler didn't come to it)"
    assert first
    assert bench.journal.reads == 1


@asynchronous
async def test_an_undo_that_returns_an_awaitable_in_a_plain_handler_is_left() -> None:
    """Given a plain handler whose undo turns out to be async, then it isn't undone, and the error says why."""
    shop = Shop()

    def undo(result: object) -> object:
        return shop.undo("a")(result)

    def handle(_: Request, steps: Steps) -> None:
        steps.run("a", shop.plain_act("a"), undo=undo)
        raise Reject("no")

    bench = StepBench(handle)
    assert await bench.accepted() == "failed"
    assert "; not undone: a (StepsMisusedError: " in bench.error()
    assert bench.entry.closed == STUCK
    bench.shard.close()


async def die_in(bench: StepBench, times: int) -> None:
    """Let the process die of the request so many times, and another one come that finds it free."""
    for _ in range(times):
        work = asyncio.create_task(bench.shard.submit(bench.feed[:1]))
        await settle(60)
        bench.shard.close()
        work.cancel()
        await settle()
        await bench.clock.advance(40)
        bench.shard = bench.new_shard()


def killing(shop: Shop, gate: Callable[[], bool], *, before: Callable[[Request], object] = id) -> StepBench:
    """Return a shard whose worker dies of the second step, as long as the gate says so."""

    async def kill() -> None:
        shop.called("kill")
        if gate():
            await asyncio.Event().wait()

    async def handle(request: Request, steps: AsyncSteps) -> None:
        before(request)
        await steps.run("a", shop.act("a"), undo=shop.undo("a"))
        await steps.run("kill", kill)

    return StepBench(handle)


@asynchronous
async def test_a_request_that_killed_its_worker_three_times_is_undone() -> None:
    """Given a step that takes the process with it, then the third restart undoes what was finished before it."""
    shop = Shop()
    bench = killing(shop, lambda: True)
    bench.accept()
    await die_in(bench, MAX_STARTS)
    assert await bench.go() == "failed"
    assert shop.calls == ["a", *["kill"] * MAX_STARTS, "undo a a-1"]
    assert bench.error() == KILLED_ITS_WORKER
    assert bench.entry.closed == UNDONE


@pytest.mark.parametrize("how", ["returns", "waits"])
@asynchronous
async def test_a_request_that_killed_its_worker_goes_forward_no_more_whatever_its_handler_does(how: str) -> None:
    """Given a handler that doesn't come to its steps when it is to undo them, then they aren't run later either."""
    shop = Shop()
    doomed: list[bool] = []

    async def kill() -> None:
        shop.called("kill")
        await asyncio.Event().wait()

    async def handle(_: Request, steps: AsyncSteps) -> None:
        if doomed and doomed.pop():
            if how == "returns":
                return
            raise RetryLater
        await steps.run("a", shop.act("a"), undo=shop.undo("a"))
        await steps.run("kill", kill)

    bench = StepBench(handle)
    bench.accept()
    await die_in(bench, MAX_STARTS)
    doomed.append(True)
    status = await bench.go()
    if how == "waits":
        assert status == "waiting"
        assert await bench.sweep(10) == "failed"
        assert bench.error() == KILLED_ITS_WORKER
        assert shop.calls[-1] == "undo a a-1"
    else:
        assert status == "failed"
        assert bench.error() == f"{KILLED_ITS_WORKER}; not undone: a (the handler didn't come to it)"
    assert shop.calls.count("kill") == MAX_STARTS


@asynchronous
async def test_a_request_that_kills_its_worker_before_any_step_is_failed_without_a_run() -> None:
    """Given a handler that dies before its first step, then there is nothing to undo, and it isn't called again."""
    calls: list[int] = []

    async def handle(request: Request, _: AsyncSteps) -> None:
        calls.append(request.attempt)
        await asyncio.Event().wait()

    bench = StepBench(handle)
    bench.accept()
    await die_in(bench, MAX_STARTS)
    assert await bench.go() == "failed"
    assert bench.error() == KILLED_ITS_WORKER
    assert len(calls) == MAX_STARTS
    assert bench.journal.kinds == ["begin", "close_failed"]


@asynchronous
async def test_a_request_that_kills_its_worker_again_while_it_is_undone_is_given_up() -> None:
    """Given a handler that dies whenever it is called, then three deaths more are the end, and the journal stays."""
    shop = Shop()
    runs: list[int] = []

    async def handle(_: Request, steps: AsyncSteps) -> None:
        runs.append(1)
        if len(runs) > 1:
            await asyncio.Event().wait()
        await steps.run("a", shop.act("a"), undo=shop.undo("a"))
        await asyncio.Event().wait()

    bench = StepBench(handle)
    bench.accept()
    await die_in(bench, 2 * MAX_STARTS)
    assert await bench.go() == "failed"
    assert bench.error() == f"{KILLED_ITS_WORKER}; not undone: a"
    assert bench.counters.totals()["not_undone"] == 1
    assert len(runs) == 2 * MAX_STARTS
    assert [step.name for step in bench.entry.steps] == ["a"]


@asynchronous
async def test_a_journal_that_cannot_be_asked_whether_there_is_something_to_undo() -> None:
    """Given a request that killed its worker and a journal out of reach, then it waits, and goes no further."""
    shop = Shop()
    bench = killing(shop, lambda: True)
    bench.accept()
    await die_in(bench, MAX_STARTS)
    bench.journal.reachable = False
    assert await bench.go() == "waiting"
    assert bench.error() == f"{OUT_OF_REACH}: out of reach"
    assert shop.calls.count("kill") == MAX_STARTS

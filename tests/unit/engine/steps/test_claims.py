"""Who may go on with a request's steps: one worker at a time, as long as it is heard of."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dropslot import AsyncSteps, Reject, RetryLater, StepsMisusedError
from dropslot.core.errors import TransientError
from dropslot.core.journal import DONE, FAILED, UNDONE, JournalWrite, Key
from dropslot.core.policy import Policy
from dropslot.core.request import Request
from dropslot.engine.shard import Shard
from dropslot.engine.steps.claim import HELD, OUT_OF_REACH
from tests.unit.engine.doubles import asynchronous, settle, until
from tests.unit.engine.steps.stepped import Handle, Shop, StepBench, raiser

LEASE_SECONDS = 30


class Gate:
    """Holds the calls of one step until the test lets them go, each with what it says."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._held: list[asyncio.Future[None]] = []

    async def __call__(self) -> str:
        """Wait for `open`."""
        self._shop.calls.append("held")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held.append(future)
        await future
        return self._shop.called("let go")

    def open(self, error: BaseException | None = None, *, newest: bool = False) -> None:
        """Let the oldest call, or the newest, go on or raise."""
        held = [future for future in self._held if not future.done()]
        future = held[-1 if newest else 0]
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def between(shop: Shop, gate: Gate, *, then: Callable[[], object] = lambda: None) -> Handle:
    """Return a handler whose second step is held."""

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", shop.act("a"), undo=shop.undo("a"))
        await steps.run("held", gate)
        await steps.run("c", shop.act("c"), undo=shop.undo("c"))
        then()

    return handle


async def two_workers(shop: Shop, gate: Gate, **arguments: Callable[[], object]) -> tuple[StepBench, Shard]:
    """Return a request that a first worker has lost in its second step, and that a second one is at.

    Returns:
        The second one in its bench, and the first one.
    """
    bench = StepBench(between(shop, gate, **arguments), policy=Policy(handler_tries=1), limit_seconds=1000)
    record = bench.accept()
    await bench.shard.submit([record])
    await settle(60)
    assert shop.calls == ["a", "held"]
    first, bench.shard = bench.shard, bench.new_shard()
    bench.journal.reachable = False  # it can't renew its lease
    await bench.clock.advance(LEASE_SECONDS + 1)
    bench.journal.reachable = True
    await bench.shard.submit([bench.again(record)])
    await settle(60)
    assert shop.calls == ["a", "held", "held"]
    return bench, first


@pytest.mark.parametrize("notices", [True, False])
@pytest.mark.parametrize("comes_to", ["result", "later", "reject", "raise", "transient", "misuse"])
@asynchronous
async def test_a_worker_that_has_lost_a_request_in_the_middle_of_a_step_moves_nothing(
    comes_to: str, notices: bool
) -> None:
    """Given two workers in one step, the lease of the first one over, then it moves neither journal nor request."""
    shop = Shop()
    gate = Gate(shop)
    bench, first = await two_workers(shop, gate)
    if notices:  # by its renewal, before the step ends
        await bench.clock.advance(LEASE_SECONDS / 2)
        assert bench.counters.totals()["steps_overtaken"] == 1
    journal, item = dict(bench.journal.inner.items), dict(bench.item())
    errors = {
        "misuse": StepsMisusedError("as an async function is in a plain handler"),
        "later": RetryLater(),
        "reject": Reject("no"),
        "raise": SystemExit(1),
        "transient": ConnectionError("refused"),
    }
    gate.open(errors.get(comes_to))
    await bench.clock.advance(1)
    await first.drain()
    assert bench.journal.inner.items == journal
    assert bench.item() == item
    assert "c" not in shop.calls
    gate.open()
    await bench.shard.drain()
    assert bench.status() == "done"
    assert bench.entry.closed == DONE
    assert [step.name for step in bench.entry.steps] == ["a", "held", "c"]
    assert shop.calls.count("a") == shop.calls.count("c") == 1
    assert bench.counters.totals()["steps_overtaken"] == 1
    assert bench.counters.totals()["superseded"] == 1


@pytest.mark.parametrize("ends", ["done", "failed", "waiting"])
@asynchronous
async def test_a_worker_that_has_lost_a_request_finds_it_ended(ends: str) -> None:
    """Given a second worker that ends a request, then the first one, still in its step, changes nothing afterwards."""
    shop = Shop()
    gate = Gate(shop)
    error = {"failed": Reject("sold out"), "waiting": RetryLater("later")}.get(ends)
    bench, first = await two_workers(shop, gate, then=raiser(error) if error is not None else (lambda: None))
    gate.open(newest=True)
    await bench.clock.advance(1)
    await bench.shard.drain()
    assert bench.status() == ends
    journal, item, calls = dict(bench.journal.inner.items), dict(bench.item()), list(shop.calls)
    gate.open()
    await bench.clock.advance(5)
    await first.drain()
    assert bench.journal.inner.items == journal
    assert bench.item() == item
    assert shop.calls == [*calls, "let go"]
    closed = {"done": DONE, "failed": UNDONE, "waiting": ""}
    assert bench.entry.closed == closed[ends]


@asynchronous
async def test_a_worker_that_has_lost_a_request_with_a_step_under_way_does_not_let_it_wait() -> None:
    """Given a handler that asks for a later attempt while its step is under way and not its own any more, then not."""
    shop = Shop()
    gate = Gate(shop)
    leave = [asyncio.Event(), asyncio.Event()]

    async def handle(_: Request, steps: AsyncSteps) -> None:
        mine = leave.pop(0)
        tasks.append(asyncio.create_task(steps.run("held", gate)))
        await mine.wait()
        raise RetryLater

    tasks: list[asyncio.Task[str]] = []
    left = leave[0]
    bench = StepBench(handle, limit_seconds=1000)
    record = bench.accept()
    await bench.shard.submit([record])
    await settle(60)
    first, bench.shard = bench.shard, bench.new_shard()
    bench.journal.reachable = False
    await bench.clock.advance(LEASE_SECONDS + 1)
    bench.journal.reachable = True
    await bench.shard.submit([bench.again(record)])
    await settle(60)
    assert shop.calls == ["held", "held"]
    left.set()
    await first.drain()
    assert bench.status() == "pending"
    for task in tasks:
        task.cancel()
    bench.shard.close()


@asynchronous
async def test_a_worker_that_has_lost_a_request_does_not_try_its_step_again() -> None:
    """Given a step that fails after its lease has ended, then its next try is left to whoever has the request now."""
    shop = Shop()
    gate = Gate(shop)
    bench, first = await two_workers(shop, gate)
    gate.open(ValueError("once"))
    await bench.clock.advance(5)
    await first.drain()
    assert shop.calls == ["a", "held", "held"]
    gate.open()
    await bench.shard.drain()
    assert bench.status() == "done"


@asynchronous
async def test_a_worker_that_is_only_slow_keeps_its_request() -> None:
    """Given a lease that ended with nobody there to take it, then whoever had it goes on."""
    shop = Shop()
    gate = Gate(shop)
    bench = StepBench(between(shop, gate), limit_seconds=1000)
    await bench.shard.submit([bench.accept()])
    await settle(60)
    bench.journal.reachable = False
    await bench.clock.advance(LEASE_SECONDS * 3)
    bench.journal.reachable = True
    gate.open()
    await bench.go()
    assert bench.status() == "done"
    assert shop.calls == ["a", "held", "let go", "c"]


@asynchronous
async def test_a_request_that_another_worker_is_at_waits_until_its_lease_ends() -> None:
    """Given a worker that died in a step, then the next one waits for its lease, without a failure, and resumes."""
    shop = Shop()
    gate = Gate(shop)
    bench = StepBench(between(shop, gate))
    record = bench.accept()
    await bench.shard.submit([record])
    await settle(60)
    bench.shard.close()
    await bench.clock.advance(1)
    lease_until = bench.entry.lease_until
    bench.shard = bench.new_shard()
    assert await bench.go() == "waiting"
    assert bench.error() == HELD
    assert int(bench.item()["due_at"]["N"]) == pytest.approx(lease_until + 1000, abs=500)
    assert int(bench.item()["tries"]["N"]) == 0
    assert await bench.sweep(20) == "waiting"
    sweeping = asyncio.create_task(bench.sweep(15))
    await until(lambda: shop.calls == ["a", "held", "held"])
    gate.open()
    assert await sweeping == "done"
    assert shop.calls == ["a", "held", "held", "let go", "c"]


@asynchronous
async def test_a_long_step_renews_its_lease() -> None:
    """Given a step that takes three leases, then it is renewed in time, and nobody else gets in between."""
    shop = Shop()
    gate = Gate(shop)
    bench = StepBench(between(shop, gate), limit_seconds=1000)
    record = bench.accept()
    await bench.shard.submit([record])
    for _ in range(9):
        await bench.clock.advance(LEASE_SECONDS / 3)
        assert bench.entry.lease_until > bench.clock.now_ms() + 1000 * LEASE_SECONDS / 3
    assert bench.journal.kinds[:2] == ["begin", "finish"]
    assert set(bench.journal.kinds[2:]) == {"renew"}
    assert len(bench.journal.kinds) <= 2 + 9
    first, bench.shard = bench.shard, bench.new_shard()
    await bench.shard.submit([bench.again(record)])
    await settle(60)
    assert shop.calls == ["a", "held"]
    assert bench.status() == "waiting"
    gate.open()
    await first.drain()
    assert bench.status() == "done"


@pytest.mark.parametrize("noted_after_seconds", [0.0, LEASE_SECONDS / 3 - 0.1, LEASE_SECONDS / 2])
@asynchronous
async def test_a_renewal_that_hangs_is_followed_by_one_in_time(noted_after_seconds: float) -> None:
    """Given a call that is given up after thirteen seconds, whenever a step was noted before, then no lease ends."""
    shop = Shop()
    gate = Gate(shop)
    hung: list[str] = []

    async def hang(write: JournalWrite) -> None:
        if write.kind == "renew" and not hung and "held" in shop.calls:
            hung.append(write.kind)
            await bench.clock.sleep(13)
            raise TransientError("no answer")

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", bench.clock.sleep, noted_after_seconds)
        await steps.run("held", gate)

    bench = StepBench(handle, limit_seconds=1000)
    bench.journal.before = hang
    await bench.shard.submit([bench.accept()])
    for _ in range(100):
        await bench.clock.advance(1)
        assert bench.entry.lease_until > bench.clock.now_ms()
    assert hung
    gate.open()
    await bench.shard.drain()
    assert bench.status() == "done"


@asynchronous
async def test_short_steps_renew_nothing() -> None:
    """Given steps that take longer than a lease only together, then what notes them renews it."""
    shop = Shop()

    async def handle(_: Request, steps: AsyncSteps) -> None:
        for number in range(12):
            await steps.run(str(number), bench.clock.sleep, LEASE_SECONDS / 4)

    bench = StepBench(handle, limit_seconds=1000)
    assert await bench.accepted() == "done"
    assert bench.journal.kinds.count("renew") <= 4
    assert shop.calls == []


@asynchronous
async def test_a_lease_is_renewed_before_anything_is_begun_that_may_outlast_it() -> None:
    """Given a handler that works for long between two steps without a renewal, then the next step begins with one."""
    shop = Shop()

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", shop.act("a"))
        bench.journal.reachable = False
        await bench.clock.sleep(LEASE_SECONDS - 5)
        bench.journal.reachable = True
        await steps.run("b", shop.act("b"))

    bench = StepBench(handle, limit_seconds=1000)
    assert await bench.accepted() == "done"
    before_b = bench.journal.kinds[:-2]
    assert before_b[-1] == "renew"


@asynchronous
async def test_a_later_attempt_leaves_nothing_to_an_earlier_one() -> None:
    """Given a journal that a later attempt has, then a worker with an earlier one moves nothing."""
    shop = Shop()
    shop.fails("b", RetryLater())
    bench = StepBench(shop.order("a", "b"))
    record = bench.accept()
    await bench.go()
    await bench.sweep(10)
    assert bench.status() == "done"
    item = {**bench.item(), "status": {"S": "pending-a"}, "queue": {"S": "pending-a"}, "attempt": {"N": "0"}}
    item.pop("ttl")
    item.pop("result")
    bench.table.items["caller#one"] = item
    bench.shard = bench.new_shard()
    await bench.run(bench.again(record))
    assert bench.item() == {**item, "starts": {"N": "1"}, "due_at": bench.item()["due_at"]}
    assert shop.calls == ["a", "b", "b"]


@asynchronous
async def test_a_journal_out_of_reach_keeps_the_request_waiting() -> None:
    """Given a journal that isn't reached for a whole lease, then no step is run, and the request waits, uncounted."""
    shop = Shop()
    bench = StepBench(shop.order("a"))
    bench.journal.reachable = False
    assert await bench.accepted() == "waiting"
    assert bench.error() == f"{OUT_OF_REACH}: out of reach"
    assert int(bench.item()["tries"]["N"]) == 0
    assert shop.calls == []
    bench.journal.reachable = True
    assert await bench.sweep(10) == "done"
    assert bench.counters.totals()["journal_writes_failed"] > 3


@asynchronous
async def test_a_step_is_noted_as_soon_as_the_journal_is_back() -> None:
    """Given a journal that is gone for a while when a step has ended, then the note is repeated, not the step."""
    shop = Shop()

    async def leave_for_a_while() -> str:
        bench.journal.reachable = False
        return shop.called("a")

    async def come_back() -> None:
        await bench.clock.sleep(20)
        bench.journal.reachable = True

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", leave_for_a_while)
        await steps.run("b", shop.act("b"))

    bench = StepBench(handle)
    coming = asyncio.create_task(come_back())
    assert await bench.accepted() == "done"
    await coming
    assert shop.calls == ["a", "b"]


@asynchronous
async def test_a_journal_that_stays_away_for_longer_than_the_lease_leaves_the_request_to_the_sweep() -> None:
    """Given a journal that is gone when a step has ended, then the step runs again, and nothing else does."""
    shop = Shop()

    async def leave() -> str:
        bench.journal.reachable = shop.calls.count("b") > 0
        return shop.called("b")

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", shop.act("a"))
        await steps.run("b", leave)
        await steps.run("c", shop.act("c"))

    bench = StepBench(handle)
    assert await bench.accepted() == "pending"
    bench.journal.reachable = True
    assert await bench.sweep(310) == "done"
    assert shop.calls == ["a", "b", "b", "c"]


@pytest.mark.parametrize("kind", ["begin", "take", "finish", "renew", "release", "turn", "undone", "close_undone"])
@asynchronous
async def test_an_answer_that_is_lost_changes_nothing(kind: str) -> None:
    """Given a write whose answer is lost, then it is repeated, and nothing is run twice."""
    shop = Shop()
    shop.fails("b", RetryLater())
    bench = StepBench(shop.order("a", "b", then=raiser(Reject("no"))), lease_ms=9_000)
    bench.journal.lost_answers.append(kind)
    if kind == "renew":
        bench.journal.before = _slow(bench)
    assert await bench.accepted() == "waiting"
    assert int(bench.item()["due_at"]["N"]) < bench.clock.now_ms() + 6_000
    assert await bench.sweep(10) == "failed"
    assert shop.calls == ["a", "b", "b", "undo b b-2", "undo a a-1"]
    assert bench.entry.closed == UNDONE
    assert bench.error() == "no"
    assert "steps_overtaken" not in bench.counters.totals()
    assert not bench.journal.lost_answers


@pytest.mark.parametrize("kind", ["close_done", "close_failed", "not_undone", "close_stuck"])
@asynchronous
async def test_an_answer_to_a_last_word_that_is_lost_changes_nothing(kind: str) -> None:
    """Given a last write whose answer is lost, then it is repeated, and the request gets that outcome."""
    shop = Shop()
    shop.fails("undo a", *[ValueError("refused")] * 3)
    names = () if kind == "close_failed" else ("a",)
    errors = [] if kind == "close_done" else [Reject("no")]

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("first", shop.act("first"))
        for name in names:
            await steps.run(name, shop.act(name), undo=shop.undo(name))
        then()

    then = raiser(*errors)
    bench = StepBench(handle)
    bench.journal.lost_answers.append(kind)
    assert await bench.accepted() == ("done" if kind == "close_done" else "failed")
    assert not bench.journal.lost_answers
    assert bench.entry.closed == {"close_done": DONE, "close_failed": FAILED}.get(kind, "stuck")
    assert "steps_overtaken" not in bench.counters.totals()


@pytest.mark.parametrize("outcome", ["done", "failed"])
@asynchronous
async def test_a_run_that_was_closed_gets_its_outcome_without_a_step(outcome: str) -> None:
    """Given a process that died between the journal's last word and the request's outcome, then that is written."""
    shop = Shop()
    then = raiser(*([Reject("no")] if outcome == "failed" else []))
    bench = StepBench(shop.order("a", then=then))
    record = bench.accept()
    before = dict(bench.item())
    await bench.go()
    calls, writes = list(shop.calls), len(bench.journal.writes)
    result = dict(bench.item())
    bench.table.items["caller#one"] = before
    await bench.clock.advance(1)
    bench.shard = bench.new_shard()
    await bench.run(bench.again(record))
    assert bench.status() == outcome
    for name in ("result", "error"):
        assert bench.item().get(name) == result.get(name)
    assert shop.calls == calls
    assert bench.journal.kinds[writes:] == ["begin"]


@asynchronous
async def test_a_journal_that_somebody_deletes_in_the_middle_is_lost() -> None:
    """Given a journal that is gone when its worker notes a step, then that worker writes nothing any more."""
    shop = Shop()
    gate = Gate(shop)
    bench = StepBench(between(shop, gate))
    await bench.shard.submit([bench.accept()])
    await settle(60)
    bench.journal.inner.delete(Key(id="caller#one", accepted_at=bench.clock.now_ms(), run=0))
    gate.open()
    await bench.go()
    assert bench.status() == "pending"
    assert bench.entries == []


@asynchronous
async def test_a_shard_that_is_closed_begins_no_further_step() -> None:
    """Given a handler whose shard is closed under it, then it comes to no other step, and its lease ends."""
    shop = Shop()
    shop_gate = Gate(shop)
    kept: list[asyncio.Task[object]] = []

    async def handle(_: Request, steps: AsyncSteps) -> None:
        async def work() -> None:
            await steps.run("held", shop_gate)
            await steps.run("b", shop.act("b"))

        kept.append(asyncio.create_task(work()))
        await asyncio.shield(kept[0])

    bench = StepBench(handle)
    await bench.shard.submit([bench.accept()])
    await settle(60)
    bench.shard.close()
    await settle()
    shop_gate.open()
    await asyncio.wait(kept)
    assert kept[0].exception() is not None
    assert shop.calls == ["held", "let go"]
    assert [step.name for step in bench.entry.steps] == ["held"]
    await bench.clock.advance(LEASE_SECONDS * 2)
    assert bench.entry.lease_until < bench.clock.now_ms()


def _slow(bench: StepBench) -> Callable[[JournalWrite], Awaitable[None]]:
    async def wait(write: JournalWrite) -> None:
        if write.kind == "finish":
            await bench.clock.sleep(4)

    return wait

"""Misuse of steps: the request fails, nothing is undone, the error says what to do, and after a fix a retry resumes."""

import asyncio
import operator
from collections.abc import Callable
from typing import Any

import pytest

from dropslot import AsyncSteps, Reject, RetryLater, Steps, StepsMisusedError
from dropslot.core.journal import DONE, FAILED
from dropslot.core.policy import Policy
from dropslot.core.request import Request
from dropslot.engine.steps.session import STEPS_MAX
from dropslot.engine.steps.visit import NOTHING_UNDONE
from tests.unit.engine.doubles import asynchronous, settle, until
from tests.unit.engine.steps.stepped import Handle, Shop, StepBench, threaded

NOT_CALLABLE = (
    "step 'x': its undo can't be called: too many positional arguments; it is given what the step returned, then the "
    "step's own arguments"
)


class Changing:
    """A handler that can be deployed anew between two attempts."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    async def __call__(self, request: Request, steps: AsyncSteps) -> object:
        """Call the handler as it is now."""
        return await self.handle(request, steps)


async def half_way(shop: Shop, *names: str) -> tuple[StepBench, Changing]:
    """Return a request that waits behind these steps, and its handler."""
    handler = Changing(shop.order(*names, "waits"))
    shop.fails("waits", RetryLater())

    async def handle(request: Request, steps: AsyncSteps) -> object:
        return await handler(request, steps)

    bench = StepBench(handle)
    assert await bench.accepted() == "waiting"
    return bench, handler


async def assert_mended(bench: StepBench, shop: Shop, *steps: str) -> None:
    """Check that the request has failed with nothing undone, and that a retry runs only these steps."""
    assert bench.status() == "failed"
    assert bench.error().endswith(NOTHING_UNDONE)
    assert bench.error().count(NOTHING_UNDONE) == 1
    assert bench.entry.closed == FAILED
    assert bench.entry.error == bench.error()
    assert not any(call.startswith("undo") for call in shop.calls)
    shop.calls.clear()
    assert await bench.retry() == "done"
    assert shop.calls == list(steps)
    assert bench.entry.closed == DONE
    assert len(bench.entries) == 1


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (("a", "B", "waits"), "step 2 of this request was 'b' when it was last run, and is 'B' now"),
        (("b", "a", "waits"), "step 1 of this request was 'a' when it was last run, and is 'b' now"),
        (("b", "waits"), "step 1 of this request was 'a' when it was last run, and is 'b' now"),
        (("a", "waits"), "step 2 of this request was 'b' when it was last run, and is 'waits' now"),
        (("new", "a", "b", "waits"), "step 1 of this request was 'a' when it was last run, and is 'new' now"),
        (("a",), "the handler returned after 1 steps, and had run 'b' after these before"),
    ],
)
@asynchronous
async def test_a_handler_that_was_changed_while_a_request_was_half_way(now: tuple[str, ...], text: str) -> None:
    """Given steps that were renamed, reordered, removed or put before others, then the request fails until a fix."""
    shop = Shop()
    bench, handler = await half_way(shop, "a", "b")
    before, handler.handle = handler.handle, shop.order(*now)
    await bench.sweep(10)
    assert bench.error().startswith(text)
    assert "can't be renamed, reordered or removed" in bench.error()
    handler.handle = before
    await assert_mended(bench, shop, "waits")


@asynchronous
async def test_steps_may_be_added_behind_what_is_finished() -> None:
    """Given a handler with another step at its end, then the request goes on with it."""
    shop = Shop()
    bench, handler = await half_way(shop, "a", "b")
    handler.handle = shop.order("a", "b", "new", "waits")
    assert await bench.sweep(10) == "done"
    assert shop.calls == ["a", "b", "waits", "new", "waits"]


@asynchronous
async def test_a_handler_that_catches_it_all_comes_no_further() -> None:
    """Given a handler that catches whatever a step raises and goes on, then nothing more is run."""
    shop = Shop()
    bench, handler = await half_way(shop, "a", "b")
    before = handler.handle

    async def catches(_: Request, steps: AsyncSteps) -> str:
        for name in ("a", "new", "b", "c"):
            try:
                await steps.run(name, shop.act(name))
            except Exception:  # noqa: BLE001 - what such handlers do
                continue
        return "done"

    handler.handle = catches
    await bench.sweep(10)
    assert bench.error().startswith("step 2 of this request was 'b'")
    assert shop.calls == ["a", "b", "waits"]
    handler.handle = before
    await assert_mended(bench, shop, "waits")


def misuses(shop: Shop) -> dict[str, tuple[Callable[[AsyncSteps], Any], str]]:
    """Return what an async handler can do wrong behind its first step, and how the error begins."""

    async def nested(steps: AsyncSteps) -> None:
        async def outer() -> None:
            await steps.run("inner", shop.act("inner"))

        await steps.run("outer", outer)

    async def nested_and_caught(steps: AsyncSteps) -> None:
        async def outer() -> None:
            with pytest.raises(StepsMisusedError):
                await steps.run("inner", shop.act("inner"))

        await steps.run("outer", outer)

    async def at_once(steps: AsyncSteps) -> None:
        await asyncio.gather(steps.run("x", shop.act("x")), steps.run("y", shop.act("y")))

    async def left_behind(steps: AsyncSteps) -> None:
        left.append(asyncio.create_task(steps.run("slow", asyncio.sleep, 0.001)))
        await asyncio.sleep(0)

    async def left_behind_by_an_error(steps: AsyncSteps) -> None:
        await left_behind(steps)
        raise ValueError("no")

    left: list[asyncio.Task[object]] = []

    async def odd() -> dict[str, int] | Shop:
        raise AssertionError

    async def not_as_annotated() -> int:
        return "one"  # type: ignore[return-value]

    return {
        "nested": (nested, "step 'inner' was begun while step 'outer' was under way"),
        "nested and caught": (nested_and_caught, "step 'inner' was begun while step 'outer' was under way"),
        "two at once": (at_once, "step 'y' was begun while step 'x' was under way"),
        "left behind": (left_behind, "the handler ended while step 'slow' was under way"),
        "left behind by an error": (left_behind_by_an_error, "the handler ended while step 'slow' was under way"),
        "twice": (lambda steps: steps.run("first", shop.act("x")), "two steps are called 'first'"),
        "no name": (lambda steps: steps.run("", shop.act("x")), "a step's name is 1 to 64 printable characters"),
        "long name": (lambda steps: steps.run("x" * 65, shop.act("x")), "a step's name is 1 to 64"),
        "two lines": (lambda steps: steps.run("a\nb", shop.act("x")), "a step's name is 1 to 64"),
        "another's key": (lambda steps: steps.run("first#undo", shop.act("x")), "a step's name is 1 to 64"),
        "no string": (lambda steps: steps.run(1, shop.act("x")), "a step's name is 1 to 64"),  # type: ignore[call-overload]
        "called at once": (
            lambda steps: steps.run("x", shop.calls.copy()),  # type: ignore[call-overload]
            "step 'x': its function can't be called; pass a function and its arguments",
        ),
        "undo called at once": (
            lambda steps: steps.run("x", shop.act("x"), undo="y"),  # type: ignore[call-overload]
            "step 'x': its undo can't be called",
        ),
        "undo with too few arguments": (
            lambda steps: steps.run("x", shop.act("x"), undo=lambda: None),
            f"{NOT_CALLABLE} (1 in all)",
        ),
        "undo with another argument": (
            lambda steps: steps.run("x", operator.add, 1, 2, undo=lambda result, one: None),
            f"{NOT_CALLABLE} (3 in all)",
        ),
        "more time than there is": (
            lambda steps: steps.run("x", shop.act("x"), timeout_seconds=61),
            "step 'x': timeout_seconds=61 must be above 0 and at most the time limit of handlers, 60 s",
        ),
        "no time": (lambda steps: steps.run("x", shop.act("x"), timeout_seconds=0), "step 'x': timeout_seconds=0 must"),
        "annotation": (lambda steps: steps.run("x", odd), "step 'x': its function is annotated to return"),
        "not as annotated": (lambda steps: steps.run("x", not_as_annotated), "step 'x': its result isn't what"),
        "not JSON": (lambda steps: steps.run("x", _returning(object())), "step 'x': it ran, but its result can't"),
        "NaN": (lambda steps: steps.run("x", _returning(float("nan"))), "step 'x': it ran, but its result can't"),
        "too large": (lambda steps: steps.run("x", _returning("x" * 40_000)), "step 'x': it ran, but its result"),
    }


@pytest.mark.parametrize("kind", list(misuses(Shop())))
@asynchronous
async def test_what_a_handler_can_do_wrong(kind: str) -> None:
    """Given a handler that misuses its steps behind a finished one, then it fails, and goes on there after a fix."""
    shop = Shop()
    wrong, text = misuses(shop)[kind]
    is_mended = False

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("first", shop.act("first"), undo=shop.undo("first"))
        if is_mended:
            await steps.run(bench.entry.steps[1].name if len(bench.entry.steps) > 1 else "x", shop.act("last"))
        else:
            await wrong(steps)

    bench = StepBench(handle)
    await bench.accepted()
    assert bench.error().startswith(text)
    assert bench.counters.totals()["handler_runs"] == 1
    await asyncio.sleep(0.005)  # what was left behind ends
    await settle()
    assert "inner" not in shop.calls
    is_mended = True
    finished = len(bench.entry.steps) > 1
    assert finished == (kind in {"nested and caught", "two at once"})
    await assert_mended(bench, shop, *(() if finished else ("last",)))


@pytest.mark.parametrize("as_task", [False, True])
@pytest.mark.parametrize("before", [0, 1])
@asynchronous
async def test_a_step_that_nobody_waits_for_is_no_success(before: int, as_task: bool) -> None:
    """Given a handler that forgets to await a step, then the request isn't done, and the step isn't run later."""
    shop = Shop()
    left: list[Any] = []

    async def handle(_: Request, steps: AsyncSteps) -> None:
        for number in range(before):
            await steps.run(str(number), shop.act("before"))
        asked = steps.run("forgotten", shop.act("forgotten"))
        left.append(asyncio.create_task(asked) if as_task else asked)

    bench = StepBench(handle)
    assert await bench.accepted() == "failed"
    assert bench.error() == (
        f"the handler returned, and step 'forgotten' had not begun: await steps.run(...). {NOTHING_UNDONE}"
    )
    if as_task:
        with pytest.raises(StepsMisusedError, match="its handler has ended"):
            await left[0]
    else:
        left[0].close()
    assert shop.calls == ["before"] * before


@asynchronous
async def test_misuse_at_the_first_step_makes_no_journal() -> None:
    """Given a bad name before anything was run, then the request fails, and there is no journal."""

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("", Shop().act("x"))

    bench = StepBench(handle)
    assert await bench.accepted() == "failed"
    assert bench.error().endswith(NOTHING_UNDONE)
    assert bench.journal.writes == []


def misuses_of_async(shop: Shop) -> dict[str, tuple[Callable[[Steps], object], str]]:
    """Return what a plain handler can do wrong with async functions, and how the error begins."""

    def unseen() -> object:
        return shop.act("x")()

    return {
        "function": (
            lambda steps: steps.run("x", shop.act("x")),
            "step 'x': its function is async, which only an async handler can call: async def handle(...)",
        ),
        "undo": (
            lambda steps: steps.run("x", shop.plain_act("x"), undo=shop.undo("x")),
            "step 'x': its undo is async, which only an async handler can call: async def handle(...)",
        ),
        "unseen": (
            lambda steps: steps.run("x", unseen),
            "<function misuses_of_async.<locals>.unseen at 0x",
        ),
    }


@pytest.mark.parametrize("kind", list(misuses_of_async(Shop())))
@asynchronous
async def test_what_is_async_in_a_plain_handler_is_misuse(kind: str) -> None:
    """Given a coroutine function in a step of a plain handler, then that step isn't run, and the error tells why."""
    shop = Shop()
    wrong, text = misuses_of_async(shop)[kind]

    def handle(_: Request, steps: Steps) -> None:
        steps.run("first", shop.plain_act("first"), undo=shop.plain_undo("first"))
        wrong(steps)

    bench = StepBench(handle)
    assert await bench.accepted() == "failed"
    assert bench.error().startswith(text)
    assert "only an async handler can" in bench.error()
    assert bench.error().endswith(NOTHING_UNDONE)
    assert shop.calls == ["first"]
    bench.shard.close()


@asynchronous
async def test_steps_are_of_no_use_after_the_handler_has_ended() -> None:
    """Given a handler that hands its steps on, then whoever uses them later gets an error, and nothing is run."""
    kept: list[AsyncSteps] = []
    shop = Shop()

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", shop.act("a"))
        kept.append(steps)

    bench = StepBench(handle)
    assert await bench.accepted() == "done"
    with pytest.raises(StepsMisusedError, match="step 'b': its handler has ended; run steps before it returns"):
        await kept[0].run("b", shop.act("b"))
    assert shop.calls == ["a"]
    assert bench.journal.kinds == ["begin", "finish", "close_done"]


@asynchronous
async def test_a_step_that_outlasts_a_handler_that_waits_is_still_noted() -> None:
    """Given a handler that asks for a later attempt while a step is under way, then that is noted."""
    shop = Shop()
    gate = asyncio.Event()
    tasks: list[asyncio.Task[object]] = []

    async def slow() -> str:
        await gate.wait()
        return shop.called("slow")

    async def handle(request: Request, steps: AsyncSteps) -> None:
        if request.attempt == 0:
            tasks.append(asyncio.create_task(steps.run("slow", slow)))
            await asyncio.sleep(0)
            await settle()
            raise RetryLater
        await steps.run("slow", slow)

    bench = StepBench(handle)
    assert await bench.accepted() == "waiting"
    gate.set()
    await tasks[0]
    assert [step.name for step in bench.entry.steps] == ["slow"]
    assert await bench.sweep(10) == "waiting"  # the lease isn't over
    assert await bench.sweep(40) == "done"
    assert shop.calls == ["slow"]


@asynchronous
async def test_a_lease_that_nobody_needs_any_more_ends() -> None:
    """Given a step that outlasts its handler and never ends, then its lease is renewed no more."""

    async def handle(_: Request, steps: AsyncSteps) -> None:
        tasks.append(asyncio.create_task(steps.run("hangs", asyncio.Event().wait)))
        await settle()
        raise RetryLater

    tasks: list[asyncio.Task[object]] = []
    bench = StepBench(handle)
    await bench.accepted()
    await bench.clock.advance(60)
    assert bench.entry.lease_until < bench.clock.now_ms()
    tasks[0].cancel()


@asynchronous
async def test_a_handler_that_is_cut_off_between_two_steps_has_noted_the_first() -> None:
    """Given a handler that gives a step up while it is being noted, then the note is made before the next begins."""
    shop = Shop()
    gate = asyncio.Event()

    async def held(_: object) -> None:
        if bench.journal.kinds[-1] == "finish":
            await gate.wait()

    async def handle(_: Request, steps: AsyncSteps) -> None:
        try:
            async with asyncio.timeout(0.05):
                await steps.run("a", shop.act("a"))
        except TimeoutError:
            await steps.run("b", shop.act("b"))

    bench = StepBench(handle, runner=threaded(handle))
    bench.journal.before = held
    bench.accept()
    going = asyncio.create_task(bench.go())
    await until(lambda: "finish" in bench.journal.kinds)
    await asyncio.sleep(0.1)
    assert shop.calls == ["a"]
    gate.set()
    assert await going == "done"
    assert [step.name for step in bench.entry.steps] == ["a", "b"]
    bench.shard.close()


@asynchronous
async def test_a_journal_has_an_end() -> None:
    """Given more steps than a journal holds, then the request fails with nothing undone."""

    async def handle(_: Request, steps: AsyncSteps) -> None:
        for number in range(STEPS_MAX + 1):
            await steps.run(str(number), asyncio.sleep, 0)

    bench = StepBench(handle, limit_seconds=10_000)
    assert await bench.accepted() == "failed"
    assert f"a request can have {STEPS_MAX} steps, and 200000 bytes of results" in bench.error()
    assert len(bench.entry.steps) == STEPS_MAX


@asynchronous
async def test_results_have_an_end_together() -> None:
    """Given results that are too large only together, then the request fails with nothing undone."""

    async def handle(_: Request, steps: AsyncSteps) -> None:
        for number in range(8):
            await steps.run(str(number), _returning("x" * 30_000))

    bench = StepBench(handle, policy=Policy(handler_tries=1))
    assert await bench.accepted() == "failed"
    assert bench.error().endswith(NOTHING_UNDONE)
    assert len(bench.entry.steps) == 6


@asynchronous
async def test_reject_is_no_misuse() -> None:
    """Given a request that the handler rejects after a step without undo, then there is nothing to say about it."""

    async def handle(_: Request, steps: AsyncSteps) -> None:
        await steps.run("a", Shop().act("a"))
        raise Reject("no")

    bench = StepBench(handle)
    assert await bench.accepted() == "failed"
    assert bench.error() == "no"


def _returning(value: object) -> Callable[[], Any]:
    async def call() -> object:
        return value

    return call

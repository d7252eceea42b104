"""Calling handlers: threads, a loop, inline; limits, what is lost and found again."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from dropslot import Request
from dropslot.core.policy import Ending, Raised, Returned, TimedOut
from dropslot.engine import runners
from dropslot.engine.context import current_request
from dropslot.engine.handler import Handler
from dropslot.engine.ports import Runner
from dropslot.engine.runners import InlineRunner, LoopRunner, ThreadRunner, make_runner
from tests.unit.engine.doubles import asynchronous, until


def request(name: str = "one", attempt: int = 0) -> Request:
    """Return a request."""
    return Request(
        id=name,
        type="orders",
        body="{}",
        content_type="application/json",
        headers={},
        accepted_at=datetime.fromtimestamp(0, UTC),
        attempt=attempt,
    )


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """After each test, every thread that was started has ended."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive(), f"{thread.name} is left"
    gc.collect()


def sync_handler(_: Request) -> None:
    """Do nothing."""


async def async_handler(_: Request) -> None:
    """Do nothing, later."""


@pytest.mark.parametrize(
    ("function", "is_async", "execution", "kind"),
    [
        (sync_handler, False, "auto", ThreadRunner),
        (sync_handler, False, "inline", InlineRunner),
        (async_handler, True, "auto", LoopRunner),
        (async_handler, True, "inline", LoopRunner),
    ],
)
def test_the_runner_fits_the_handler(
    function: Callable[[Request], object], is_async: bool, execution: str, kind: type
) -> None:
    """Sync in threads or inline, async on a loop."""
    runner = make_runner(Handler("m:f", function, is_async), execution=execution, limit_seconds=1)
    assert isinstance(runner, kind)
    runner.close()


@asynchronous
async def test_threads_are_reused() -> None:
    """Given calls one after the other, then one thread takes them all."""
    threads: set[int] = set()
    runner = ThreadRunner(lambda _: threads.add(threading.get_ident()), limit_seconds=10)
    for _ in range(50):
        assert await runner.call(request()) == Returned(None)
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
    runner.close()


@asynchronous
async def test_calls_at_once_have_a_thread_each() -> None:
    """Given ten calls that wait for each other, then all run at once; ten threads stay enough."""
    barrier = threading.Barrier(10)
    threads: set[int] = set()

    def handle(_: Request) -> None:
        threads.add(threading.get_ident())
        barrier.wait(5)

    runner = ThreadRunner(handle, limit_seconds=10)
    for _ in range(5):
        endings = await asyncio.gather(*(runner.call(request(str(index))) for index in range(10)))
        assert endings == [Returned(None)] * 10
    assert len(threads) <= 10
    runner.close()


@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(2), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()]
)
@pytest.mark.parametrize("kind", ["inline", "auto", "loop"])
@asynchronous
async def test_whatever_a_handler_raises_is_its_ending(kind: str, error: BaseException) -> None:
    """Nothing a handler raises ends a thread, a loop or the process; the next call works."""
    failing = [error]

    def handle(_: Request) -> str:
        if failing:
            raise failing.pop()
        return "next"

    async def handle_async(one: Request) -> str:
        return handle(one)

    function: Callable[..., object] = handle_async if kind == "loop" else handle
    runner = make_runner(Handler("m:f", function, kind == "loop"), execution=kind, limit_seconds=10)
    ending = await runner.call(request())
    assert isinstance(ending, Raised)
    assert type(ending.error) is type(error)
    assert await runner.call(request()) == Returned("next")
    runner.close()


@asynchronous
async def test_cancelled_calls_leave_no_idle_threads() -> None:
    """Given calls that are cancelled one after the other, then their threads end; one is enough for what follows."""
    started, release = threading.Event(), threading.Event()

    def handle(one: Request) -> int:
        if one.id == "hung":
            started.set()
            release.wait()
        return threading.get_ident()

    before = set(threading.enumerate())
    runner = ThreadRunner(handle, limit_seconds=10)
    for _ in range(3):
        started.clear()
        call = asyncio.create_task(runner.call(request("hung")))
        await until(started.is_set)
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call
    assert runner.lost == 0
    release.set()
    await until(lambda: set(threading.enumerate()) == before)
    assert await runner.call(request()) == await runner.call(request())
    assert len(set(threading.enumerate()) - before) == 1
    runner.close()


@asynchronous
async def test_a_thread_past_its_limit_is_lost_until_it_returns() -> None:
    """Given a handler that hangs, then TimedOut, counted; others run; when it returns it is found, and ends late."""
    release = threading.Event()

    def handle(one: Request) -> str:
        if one.id == "hung":
            release.wait()
        return one.id

    runner = ThreadRunner(handle, limit_seconds=0.02)
    ending = await runner.call(request("hung"))
    assert isinstance(ending, TimedOut)
    assert ending.limit_seconds == 0.02
    assert ending.late is not None
    assert runner.lost == 1
    for index in range(5):
        # The limit is short enough for a busy machine to pass it now and then: what counts is that the call is taken.
        other = await runner.call(request(str(index)))
        assert other == Returned(str(index)) or isinstance(other, TimedOut)
    release.set()
    assert await ending.late == Returned("hung")
    await until(lambda: runner.lost == 0)
    runner.close()


@asynchronous
async def test_a_lost_thread_whose_loop_has_gone_ends_quietly() -> None:
    """Given the process is ending, then a handler that returns has nobody to tell, and no thread complains."""
    release = threading.Event()
    runner = ThreadRunner(lambda _: release.wait(), limit_seconds=0.01)

    async def lose_one() -> None:
        assert isinstance(await runner.call(request()), TimedOut)

    await asyncio.to_thread(lambda: asyncio.run(lose_one()))
    release.set()
    runner.close()


@asynchronous
async def test_an_async_handler_past_its_limit_is_cancelled() -> None:
    """Given one that lets go, then nothing is lost."""
    cancelled = threading.Event()

    async def handle(_: Request) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    runner = LoopRunner(handle, limit_seconds=0.5)  # enough for it to begin, on a busy machine too
    assert await runner.call(request()) == TimedOut(0.5)
    await until(cancelled.is_set)
    assert runner.lost == 0
    runner.close()


async def wait_for_ever(_: Request) -> None:
    """Wait for what never happens."""
    await asyncio.Event().wait()


@asynchronous
async def test_an_async_handler_that_returns_because_it_was_cancelled_has_not_succeeded() -> None:
    """Given a handler that swallows its cancellation and returns, then nobody is told that it returned."""

    async def handle(_: Request) -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "done after all"

    runner = LoopRunner(handle, limit_seconds=0.01)
    ending = await runner.call(request())
    assert isinstance(ending, TimedOut)
    assert ending.late is None
    runner.close()


@asynchronous
async def test_a_handler_that_blocks_its_loop_is_lost_until_it_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an async handler that blocks, then the engine's loop goes on, the call is lost, and found again."""
    monkeypatch.setattr(runners, "CANCEL_SECONDS", 0.01)
    release = threading.Event()

    async def handle(_: Request) -> str:
        release.wait()  # what no async handler should do
        return "late"

    runner = LoopRunner(handle, limit_seconds=0.01)
    ending = await runner.call(request())
    assert isinstance(ending, TimedOut)
    await until(lambda: runner.lost == 1)
    release.set()
    await until(lambda: runner.lost == 0)
    runner.close()


@asynchronous
async def test_async_calls_share_one_loop() -> None:
    """Given 100 calls that wait for each other, then one thread runs them all at once."""
    here = 0
    threads: set[int] = set()
    everyone: list[asyncio.Event] = []

    async def handle(_: Request) -> None:
        nonlocal here
        threads.add(threading.get_ident())
        if not everyone:
            everyone.append(asyncio.Event())
        here += 1
        if here == 100:
            everyone[0].set()
        await everyone[0].wait()

    runner = LoopRunner(handle, limit_seconds=10)
    endings = await asyncio.gather(*(runner.call(request(str(index))) for index in range(100)))
    assert endings == [Returned(None)] * 100
    assert len(threads) == 1
    runner.close()


@pytest.mark.parametrize("kind", ["inline", "auto", "loop"])
@asynchronous
async def test_running_code_knows_its_request_and_forgets_it_after(kind: str) -> None:
    """For log lines: id and attempt, of each call its own, in whatever thread or task."""

    def handle(_: Request) -> object:
        return current_request.get()

    async def handle_async(_: Request) -> object:
        before = current_request.get()
        await asyncio.sleep(0)
        assert current_request.get() == before
        return before

    function: Callable[..., object] = handle_async if kind == "loop" else handle
    runner: Runner = make_runner(Handler("m:f", function, kind == "loop"), execution=kind, limit_seconds=10)
    endings = await asyncio.gather(*(runner.call(request(str(index), index)) for index in range(20)))
    assert endings == [Returned((str(index), index)) for index in range(20)]
    assert current_request.get() is None
    runner.close()


@asynchronous
async def test_an_inline_handler_runs_in_this_very_thread() -> None:
    """No hand-over to pay for."""
    runner = InlineRunner(lambda _: threading.get_ident())
    ending: Ending = await runner.call(request())
    assert ending == Returned(threading.get_ident())
    assert runner.lost == 0
    runner.close()


def test_a_runner_that_was_never_called_closes() -> None:
    """Nothing was started, nothing is left."""
    for runner in (ThreadRunner(sync_handler, limit_seconds=1), LoopRunner(async_handler, limit_seconds=1)):
        runner.close()

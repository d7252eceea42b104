"""The shard behind blocking calls: ticks, limits, faults, and a clean end."""

import asyncio
import concurrent.futures
import gc
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from dropslot import Request
from dropslot.adapters.clock import SystemClock
from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.engine.backoff import Backoff
from dropslot.engine.execution import ANY_TYPE
from dropslot.engine.options import ShardOptions
from dropslot.engine.ports import Runner
from dropslot.engine.runners import InlineRunner, LoopRunner, ThreadRunner
from dropslot.engine.shard import Shard
from dropslot.engine.stream_record import StreamRecord
from dropslot.runtimes import threaded
from dropslot.runtimes.threaded import ThreadedShard
from tests.unit.core.images import TABLE, data, image, record
from tests.unit.engine.doubles import FlakyRequests


def no_tick() -> None:
    """Do nothing."""


class Setting:
    """A table, and the threaded shards over it."""

    def __init__(self) -> None:
        self.table = MemoryRequests()
        self.requests = FlakyRequests(self.table)
        self.now_seconds = 0.0
        self.counters = MemoryCounters()
        self.shards: list[ThreadedShard] = []

    def shard(self, runner: Runner, *, concurrency: int = 8, lost_max: int = 2, limit: float = 60) -> ThreadedShard:
        """Return a shard that this setting closes."""

        def make() -> Shard:
            return Shard(
                requests=self.requests,
                runners={ANY_TYPE: runner},
                clock=SystemClock(),
                counters=self.counters,
                backoff=Backoff(first_seconds=0.001, max_seconds=0.002),
                options=ShardOptions(table=TABLE, concurrency=concurrency),
            )

        shard = ThreadedShard(
            make,
            counters=self.counters,
            lost_handlers_max=lost_max,
            unreachable_limit_seconds=limit,
            stall_limit_seconds=90,
            monotonic_seconds=lambda: self.now_seconds,
        )
        self.shards.append(shard)
        return shard

    def accept(self, number: int) -> StreamRecord:
        """Accept a request; return its record, fresh."""
        now_ms = SystemClock().now_ms()
        item = image(f"caller#{number}", accepted_at=now_ms, due_at=now_ms)
        self.table.put(item)
        return StreamRecord(
            sequence_number=str(number),
            data=data(record(item, created=now_ms)),
            arrived_epoch_seconds=now_ms / 1000 + 1,
        )

    def status(self, number: int) -> str:
        """Return an item's status."""
        return str(self.table.items[f"caller#{number}"]["status"]["S"])


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    """A setting whose ticks come quickly, and which leaves no thread behind."""
    monkeypatch.setattr(threaded, "TICK_SECONDS", 0.005)
    before = set(threading.enumerate())
    made = Setting()
    yield made
    for shard in made.shards:
        shard.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive(), f"{thread.name} is left"
    gc.collect()


def test_submitted_records_are_run_and_resolved(setting: Setting) -> None:
    """From a plain thread, through the loop's, and back."""
    shard = setting.shard(InlineRunner(lambda _: None))
    shard.submit([setting.accept(number) for number in range(1, 31)], tick=no_tick)
    assert shard.drain(10, tick=no_tick) is True
    assert shard.checkpoint == "30"
    assert {setting.status(number) for number in range(1, 31)} == {"done-a"}
    assert shard.counters["done"] == 30
    assert shard.counters["lost_handlers"] == 0
    assert (shard.must_recycle, shard.unreachable) == (False, False)


def test_tick_is_called_while_a_full_window_blocks(setting: Setting) -> None:
    """Given one slot and two requests, then the caller's tick comes from its own thread until there is room."""
    release = threading.Event()
    shard = setting.shard(ThreadRunner(lambda _: release.wait(), limit_seconds=30), concurrency=1)
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(threading.get_ident())
        if len(ticks) == 3:
            release.set()

    shard.submit([setting.accept(1), setting.accept(2)], tick=tick)
    assert len(ticks) >= 3
    assert set(ticks) == {threading.get_ident()}
    assert shard.drain(10, tick=no_tick) is True


def test_drain_tells_when_time_is_up(setting: Setting) -> None:
    """Given a run that doesn't end, then False, the checkpoint below it; later True."""
    release = threading.Event()
    shard = setting.shard(ThreadRunner(lambda _: release.wait(), limit_seconds=30))
    shard.submit([setting.accept(1)], tick=no_tick)
    assert shard.drain(0.02, tick=no_tick) is False
    assert shard.checkpoint is None
    release.set()
    assert shard.drain(10, tick=no_tick) is True
    assert shard.checkpoint == "1"


def test_drain_does_not_wait_for_a_lost_handler(setting: Setting) -> None:
    """Given a handler past its limit, then all is resolved once its request waits."""
    release = threading.Event()
    shard = setting.shard(ThreadRunner(lambda _: release.wait(), limit_seconds=0.02), lost_max=1)
    shard.submit([setting.accept(1)], tick=no_tick)
    assert shard.drain(10, tick=no_tick) is True
    assert setting.status(1) == "waiting-a"
    assert shard.checkpoint == "1"
    assert shard.must_recycle
    release.set()


def test_after_abandon_nothing_is_started(setting: Setting) -> None:
    """Another worker has the shard: nothing is under way here, and yet not all is resolved."""
    shard = setting.shard(InlineRunner(lambda _: None))
    shard.abandon()
    shard.submit([setting.accept(1)], tick=no_tick)
    assert shard.drain(10, tick=no_tick) is True
    assert (shard.complete, shard.checkpoint, setting.status(1)) == (False, None, "pending-a")


def test_abandon_cuts_a_blocked_submit_short(setting: Setting) -> None:
    """Given one slot and a handler that doesn't end, when abandoned from a tick, then submit returns at once."""
    release = threading.Event()
    shard = setting.shard(ThreadRunner(lambda _: release.wait(), limit_seconds=30), concurrency=1)
    shard.submit([setting.accept(1), setting.accept(2), setting.accept(3)], tick=shard.abandon)
    assert shard.drain(0.02, tick=no_tick) is False, "the first is still under way"
    release.set()
    assert shard.drain(10, tick=no_tick) is True
    assert (shard.complete, shard.checkpoint) == (False, "1")
    assert [setting.status(number) for number in (1, 2, 3)] == ["done-a", "pending-a", "pending-a"]


def test_an_outage_becomes_unreachable_and_passes(setting: Setting) -> None:
    """After its limit; the tick is where the caller looks."""
    shard = setting.shard(InlineRunner(lambda _: None), concurrency=1, limit=0.02)
    setting.requests.reachable = False
    seen: list[bool] = []

    def tick() -> None:
        seen.append(shard.unreachable)
        if shard.unreachable:
            setting.requests.reachable = True

    shard.submit([setting.accept(1), setting.accept(2)], tick=tick)
    assert shard.drain(10, tick=tick) is True
    assert True in seen
    assert not shard.unreachable


def test_a_fault_inside_is_raised_to_the_caller(setting: Setting) -> None:
    """Given an adapter that breaks its promise, then submit or drain raises it; the checkpoint stays."""
    shard = setting.shard(InlineRunner(lambda _: None))

    def broken(_: object) -> None:
        raise RuntimeError("a fault of ours")

    setting.requests.instead = broken
    with pytest.raises(RuntimeError, match="a fault of ours"):  # noqa: PT012 - whichever comes to see it first
        shard.submit([setting.accept(1)], tick=no_tick)
        shard.drain(10, tick=no_tick)
    assert shard.checkpoint is None


def test_a_tick_that_raises_ends_the_call(setting: Setting) -> None:
    """Given the daemon is gone, then the process must be able to leave a blocked submit."""
    release = threading.Event()
    shard = setting.shard(ThreadRunner(lambda _: release.wait(), limit_seconds=30), concurrency=1)

    def tick() -> None:
        raise ConnectionResetError("the daemon is gone")

    with pytest.raises(ConnectionResetError):
        shard.submit([setting.accept(1), setting.accept(2)], tick=tick)
    release.set()


def test_a_shard_that_cannot_be_built_is_told_and_leaves_no_thread() -> None:
    """The constructor raises what building raised."""
    before = set(threading.enumerate())

    def make() -> Shard:
        raise ValueError("cannot be built")

    with pytest.raises(ValueError, match="cannot be built"):
        ThreadedShard(
            make,
            counters=MemoryCounters(),
            lost_handlers_max=1,
            unreachable_limit_seconds=1,
            stall_limit_seconds=1,
        )
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(1)
    assert not [thread for thread in left if thread.is_alive()]


def test_a_shard_that_resolves_nothing_any_more_is_stalled(setting: Setting) -> None:
    """Given a record that is never resolved, then after the limit; given none, or progress, then never."""
    release = threading.Event()
    shard = setting.shard(ThreadRunner(lambda _: release.wait(), limit_seconds=30))
    setting.now_seconds = 500
    assert not shard.stalled, "nothing is open"
    shard.submit([setting.accept(1)], tick=lambda: None)
    assert not shard.stalled
    setting.now_seconds += 90
    assert not shard.stalled
    setting.now_seconds += 1
    assert shard.stalled
    release.set()
    assert shard.drain(10, tick=lambda: None)
    assert not shard.stalled


class JustInTime(concurrent.futures.Future[str]):
    """A future that is set in the moment in which the wait for it gives up."""

    def result(self, timeout: float | None = None) -> str:
        """Time out once, and be done right after."""
        if not self.done():
            self.set_result("the result")
            raise TimeoutError
        return super().result(timeout)


def test_a_result_that_comes_as_the_wait_ends_is_taken(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """No TimeoutError for a call that succeeded."""
    shard = setting.shard(InlineRunner(lambda _: None))

    def submit(coroutine: Coroutine[Any, Any, object], _: object) -> JustInTime:
        coroutine.close()
        return JustInTime()

    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "run_coroutine_threadsafe", submit)
        shard.submit([], tick=no_tick)


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_closing_amid_work_ends_cleanly(setting: Setting, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    """Given runs and writes under way, when closed, then nothing is left pending that the loop complains about."""
    release = threading.Event()

    async def handle_async(_: Request) -> None:
        await asyncio.Event().wait()

    runner: Runner = (
        LoopRunner(handle_async, limit_seconds=30)
        if kind == "loop"
        else ThreadRunner(lambda _: release.wait(), limit_seconds=30)
    )
    shard = setting.shard(runner)
    shard.submit([setting.accept(1)], tick=no_tick)
    setting.requests.reachable = False
    other = setting.shard(InlineRunner(lambda _: None))
    other.submit([setting.accept(2)], tick=no_tick)
    assert other.drain(0.02, tick=no_tick) is False
    for one in setting.shards:
        one.close()
    setting.shards.clear()
    release.set()
    gc.collect()
    assert [line.getMessage() for line in caplog.records if line.name == "asyncio"] == []
    assert {setting.status(1), setting.status(2)} == {"pending-a"}


def test_a_handler_that_waits_is_not_collected_before_its_loop_ends(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    """Given an async handler that waits and another that blocks their loop, when closed, then the first isn't lost."""
    blocks, release = threading.Event(), threading.Event()

    async def handle(request: Request) -> None:
        if request.id == "caller#2":
            blocks.set()
            release.wait()
        await asyncio.Event().wait()

    shard = setting.shard(LoopRunner(handle, limit_seconds=30))
    for number in (1, 2):
        shard.submit([setting.accept(number)], tick=no_tick)
    assert blocks.wait(10)
    shard.close()
    setting.shards.clear()
    gc.collect()
    release.set()
    assert [line.getMessage() for line in caplog.records if line.name == "asyncio"] == []

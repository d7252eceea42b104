"""The writer: full batches, one write per id in each, and every write answered."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.core.errors import TransientError
from dropslot.core.transitions import Write
from dropslot.engine.backoff import Backoff
from dropslot.engine.ports import WriteResult
from dropslot.engine.reachability import Reachability
from dropslot.engine.writer import Writer
from tests.unit.core.images import image
from tests.unit.engine.doubles import FlakyRequests, VirtualClock, asynchronous, settle


class Setting:
    """A writer over the twin with items `0` to `n - 1`."""

    def __init__(self, items: int = 0) -> None:
        self.table = MemoryRequests()
        for index in range(items):
            self.table.put(image(str(index)))
        self.requests = FlakyRequests(self.table)
        self.clock = VirtualClock()
        self.counters = MemoryCounters()
        self.reachability = Reachability(self.clock)
        self.writer = Writer(
            self.requests,
            clock=self.clock,
            counters=self.counters,
            backoff=Backoff(source=random.Random(0)),
            reachability=self.reachability,
        )


def note(request_id: str, number: int) -> Write:
    """Return an unconditional write that can be told from others."""
    return Write(transition="note", id=request_id, conditions=(), sets={"number": number})


def check_batches(batches: list[list[Write]]) -> None:
    """Each batch is one the table takes."""
    for batch in batches:
        assert 0 < len(batch) <= 25
        assert len({write.id for write in batch}) == len(batch)


@asynchronous
async def test_what_is_ready_together_is_written_together() -> None:
    """Given 60 writes at once, then three calls carry them."""
    setting = Setting(60)
    results = await asyncio.gather(*(setting.writer.write(note(str(index), 1)) for index in range(60)))
    assert results == [WriteResult.APPLIED] * 60
    assert [len(batch) for batch in setting.requests.batches] == [25, 25, 10]


@asynchronous
async def test_a_single_write_goes_out_at_once() -> None:
    """Given an idle table, then no time passes before the write."""
    setting = Setting(1)
    assert await setting.writer.write(note("0", 1)) is WriteResult.APPLIED
    assert setting.clock.slept == []


@asynchronous
async def test_writes_of_one_id_keep_their_order_over_batches() -> None:
    """Given ten writes of the same id, then each goes in a batch of its own, in order."""
    setting = Setting(2)
    await asyncio.gather(*(setting.writer.write(note(str(number % 2), number)) for number in range(20)))
    check_batches(setting.requests.batches)
    for request_id in "01":
        numbers = [
            write.sets["number"] for batch in setting.requests.batches for write in batch if write.id == request_id
        ]
        assert numbers == sorted(numbers, key=int)
        assert len(numbers) == 10


@asynchronous
async def test_results_go_to_whom_they_belong() -> None:
    """Applied, refused (not there), too large, invalid: each writer gets its own."""
    setting = Setting(3)
    answers = {"1": WriteResult.TOO_LARGE, "2": WriteResult.INVALID}
    setting.requests.instead = lambda write: answers.get(write.id)
    results = await asyncio.gather(*(setting.writer.write(note(str(index), 1)) for index in range(4)))
    assert results == [WriteResult.APPLIED, WriteResult.TOO_LARGE, WriteResult.INVALID, WriteResult.REFUSED]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(0, 11), min_size=1, max_size=80),
    st.lists(st.sampled_from(["ok", "ok", "raise", "lost", "retry"]), max_size=40),
    st.integers(0, 2**16),
)
def test_nothing_is_lost_and_order_is_kept_under_faults(  # noqa: C901 - one story
    ids: list[int], faults: list[str], seed: int
) -> None:
    """Given RETRYs, failed calls and lost answers, then every write is answered and made in order per id."""
    luck = random.Random(seed)
    setting = Setting(12)
    made: list[Write] = []
    in_flight: set[str] = set()

    async def write(writes: list[Write]) -> list[WriteResult]:
        check_batches([writes])
        assert not in_flight & {write.id for write in writes}, "two batches under way with the same id"
        in_flight.update(write.id for write in writes)
        fault = faults.pop() if faults else "ok"
        for _ in range(luck.randrange(4)):
            await asyncio.sleep(0)
        in_flight.difference_update(write.id for write in writes)
        if fault == "raise":
            raise TransientError("out of reach")
        results = []
        for one in writes:
            if fault == "retry" and luck.random() < 0.6:
                results.append(WriteResult.RETRY)
            else:
                made.append(one)
                results.append(WriteResult.APPLIED)
        if fault == "lost":
            raise TransientError("answer lost")
        return results

    setting.requests.write = write  # type: ignore[method-assign,assignment]

    async def play() -> None:
        tasks = []
        for number, index in enumerate(ids):
            tasks.append(asyncio.create_task(setting.writer.write(note(str(index), number))))
            if luck.random() < 0.2:
                await asyncio.sleep(0)
        for _ in range(500):
            if all(task.done() for task in tasks):
                break
            await setting.clock.advance(1)
        assert all(task.done() for task in tasks), "a write was never answered"
        assert [task.result() for task in tasks] == [WriteResult.APPLIED] * len(ids)

    asyncio.run(play())
    for index in set(ids):
        numbers = [int(write.sets["number"]) for write in made if write.id == str(index)]
        last_of_each = list(dict.fromkeys(numbers))
        assert last_of_each == [number for number, other in enumerate(ids) if other == index]
        assert numbers == sorted(numbers), "a repeat came after a later write of its id"


@asynchronous
async def test_a_write_made_as_the_last_flushes_end_is_sent() -> None:
    """Given two batches answered at the same moment, when one's writer writes again at once, then that is answered."""
    setting = Setting(3)
    answer = asyncio.Event()

    async def wait() -> None:
        await answer.wait()

    setting.requests.before_answer = wait

    async def twice() -> list[WriteResult]:
        return [await setting.writer.write(note("0", 1)), await setting.writer.write(note("1", 1))]

    first = asyncio.create_task(twice())
    await settle()
    second = asyncio.create_task(setting.writer.write(note("2", 1)))
    await settle()
    assert len(setting.requests.batches) == 2
    answer.set()
    await settle()
    assert first.done()
    assert await first == [WriteResult.APPLIED] * 2
    assert await second is WriteResult.APPLIED


@asynchronous
async def test_a_retry_pauses_longer_each_time() -> None:
    """The table is not hammered while it throttles."""
    setting = Setting(1)
    setting.requests.reachable = False
    writing = asyncio.create_task(setting.writer.write(note("0", 1)))
    await setting.clock.advance(120)
    assert len(setting.requests.batches) < 60
    assert max(setting.clock.slept) > 2
    assert setting.clock.slept[:4] == sorted(setting.clock.slept[:4])
    setting.requests.reachable = True
    await setting.clock.advance(10)
    assert await writing is WriteResult.APPLIED


@asynchronous
async def test_an_outage_is_measured_from_its_first_failure_to_the_first_success() -> None:
    """Rule 4 needs to know for how long."""
    setting = Setting(1)
    assert setting.reachability.failing_seconds() == 0
    setting.requests.reachable = False
    writing = asyncio.create_task(setting.writer.write(note("0", 1)))
    await setting.clock.advance(50)
    assert 49 < setting.reachability.failing_seconds() <= 50
    setting.requests.reachable = True
    await setting.clock.advance(10)
    assert setting.reachability.failing_seconds() == 0
    assert await writing is WriteResult.APPLIED


@asynchronous
async def test_a_fault_of_ours_reaches_everyone_who_waits() -> None:
    """Given an adapter that breaks its promise, then each write of the batch raises, none hangs."""
    setting = Setting(3)

    def broken(_: Write) -> WriteResult | None:
        raise RuntimeError("a fault of ours")

    setting.requests.instead = broken
    results = await asyncio.gather(
        *(setting.writer.write(note(str(index), 1)) for index in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [RuntimeError] * 3


@asynchronous
async def test_what_was_queued_behind_a_fault_of_ours_is_sent() -> None:
    """Given a write that breaks the adapter, and another of the same id that waits for it, the second is made."""
    setting = Setting(1)
    broken = asyncio.Event()

    async def fail_late() -> None:
        await broken.wait()
        setting.requests.before_answer = None
        raise RuntimeError("a fault of ours")

    setting.requests.before_answer = fail_late
    first = asyncio.create_task(setting.writer.write(note("0", 1)))
    await settle()
    second = asyncio.create_task(setting.writer.write(note("0", 2)))
    await settle()
    broken.set()
    await settle()
    assert isinstance(first.exception(), RuntimeError)
    assert second.done()
    assert await second is WriteResult.APPLIED


@asynchronous
async def test_an_adapter_with_too_few_results_hangs_nobody() -> None:
    """Given fewer results than writes, then whoever waits sees a fault instead of waiting for ever."""
    setting = Setting(2)

    async def short(writes: list[Write]) -> list[WriteResult]:
        return [WriteResult.APPLIED] * (len(writes) - 1)

    setting.requests.write = short  # type: ignore[method-assign,assignment]
    writing = [asyncio.create_task(setting.writer.write(note(str(index), 1))) for index in range(2)]
    await settle()
    assert all(task.done() for task in writing)
    await asyncio.gather(*writing, return_exceptions=True)


@asynchronous
async def test_a_cancelled_writer_takes_nothing_from_others() -> None:
    """Given one of three waiting writers cancelled, then the others are answered."""
    setting = Setting(3)
    setting.requests.reachable = False
    writing = [asyncio.create_task(setting.writer.write(note(str(index), 1))) for index in range(3)]
    await settle()
    writing[1].cancel()
    await settle()
    setting.requests.reachable = True
    await setting.clock.advance(10)
    assert writing[1].cancelled()
    assert [await writing[0], await writing[2]] == [WriteResult.APPLIED] * 2


@pytest.mark.parametrize("failures", range(40))
def test_a_pause_grows_to_its_limit_and_is_spread(failures: int) -> None:
    """Never above the limit, never zero, never overflowing."""
    backoff = Backoff(first_seconds=0.05, max_seconds=5.0, source=random.Random(failures))
    pauses = [backoff.seconds(failures) for _ in range(20)]
    assert all(0 < pause <= min(5.0, 0.05 * 2**failures) for pause in pauses)
    assert len(set(pauses)) > 1


def test_a_pause_after_very_many_failures_is_a_number() -> None:
    """Days of outage don't overflow."""
    assert 0 < Backoff().seconds(10**6) <= 5

"""The sweep: what it redrives, when, and what it leaves alone."""

import asyncio

import pytest

from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.core import names
from dropslot.core.transitions import Write
from dropslot.engine.ports import WriteResult
from dropslot.engine.sweep import Sweep, SweepOptions
from tests.unit.core.images import ACCEPTED_AT_MS, image
from tests.unit.engine.doubles import FlakyRequests, VirtualClock, asynchronous, settle

GRACE_MS = 300_000


class Setting:
    """A sweep over the twin."""

    def __init__(self) -> None:
        self.table = MemoryRequests()
        self.requests = FlakyRequests(self.table)
        self.clock = VirtualClock()
        self.counters = MemoryCounters()
        self.sweep = self.new_sweep()

    def new_sweep(self) -> Sweep:
        """Return another sweeper of the same table."""
        options = SweepOptions(interval_seconds=5, grace_ms=GRACE_MS)
        return Sweep(requests=self.requests, clock=self.clock, counters=self.counters, options=options)

    def attempt(self, request_id: str = "caller#one") -> int:
        """Return an item's attempt."""
        return int(self.table.items[request_id]["attempt"]["N"])


@pytest.mark.parametrize("digit", names.SPREAD_DIGITS)
@asynchronous
async def test_a_waiting_request_is_redriven_when_due_and_not_before(digit: str) -> None:
    """In each of the sixteen queues; its tries stay counted."""
    setting = Setting()
    setting.table.put(image(status=f"waiting-{digit}", due_at=ACCEPTED_AT_MS + 5_000, tries=2, last_error="busy"))
    await setting.clock.advance(4.999)
    assert await setting.sweep.once() == 0
    await setting.clock.advance(0.001)
    assert await setting.sweep.once() == 1
    item = setting.table.items["caller#one"]
    assert item["status"] == item["queue"] == {"S": f"pending-{digit}"}
    assert (item["attempt"], item["tries"], item["last_error"]) == ({"N": "1"}, {"N": "2"}, {"S": "busy"})
    assert await setting.sweep.once() == 0


@asynchronous
async def test_a_pending_request_is_redriven_after_the_grace_then_ever_more_patiently() -> None:
    """Given nobody runs it, then the pauses between redrives double."""
    setting = Setting()
    setting.table.put(image())
    redriven_at: list[int] = []
    for _ in range(40_000):
        if await setting.sweep.once():
            redriven_at.append(setting.clock.now_ms() - ACCEPTED_AT_MS)
        if len(redriven_at) == 4:
            break
        setting.clock._now_ms += 5_000
    pauses = [later - earlier for earlier, later in zip([0, *redriven_at], redriven_at, strict=False)]
    assert pauses == [GRACE_MS, GRACE_MS, 2 * GRACE_MS, 4 * GRACE_MS]
    assert setting.attempt() == 4


@pytest.mark.parametrize("status", ["failed", "done"])
@asynchronous
async def test_settled_requests_are_left_alone(status: str) -> None:
    """However old."""
    setting = Setting()
    outcome: dict[str, int | str] = {"ttl": 5} if status == "done" else {"error": "x"}
    setting.table.put(image(status=f"{status}-a", due_at=0, **outcome))
    before = dict(setting.table.items["caller#one"])
    assert await setting.sweep.once() == 0
    assert setting.table.items["caller#one"] == before


@asynchronous
async def test_a_row_that_has_changed_since_it_was_seen_is_refused() -> None:
    """Given the index is behind, then what was settled, redriven or deleted meanwhile stays so."""
    setting = Setting()
    for name in ("settled", "redriven", "gone", "reused", "still"):
        setting.table.put(image(name, status="waiting-a", due_at=0))
    changed = {
        "settled": image("settled", status="failed-a", error="x", due_at=0),
        "redriven": image("redriven", attempt=1),
        "reused": image("reused", accepted_at=ACCEPTED_AT_MS + 1),
    }

    def meanwhile(write: Write) -> WriteResult | None:
        if write.id in changed:
            setting.table.put(changed[write.id])
        elif write.id == "gone":
            setting.table.delete("gone")
        return None

    setting.requests.instead = meanwhile
    assert await setting.sweep.once() == 1
    assert {name: setting.table.items[name] for name in changed} == changed
    assert "gone" not in setting.table.items
    assert setting.attempt("still") == 1


@asynchronous
async def test_more_rows_than_a_page_are_all_redriven_in_the_end() -> None:
    """Given 1,000 due requests in one queue, then a few sweeps redrive each once, in batches the table takes."""
    setting = Setting()
    for index in range(1_000):
        setting.table.put(image(f"caller#{index}", status="waiting-a", due_at=index))
    total = 0
    for _ in range(1_000):
        redriven = await setting.sweep.once()
        total += redriven
        if not redriven:
            break
    assert total == 1_000
    assert {setting.attempt(f"caller#{index}") for index in range(1_000)} == {1}
    assert all(len(batch) <= 25 for batch in setting.requests.batches)


@asynchronous
async def test_a_throttled_table_is_not_asked_for_a_whole_backlog() -> None:
    """Given 1,000 due requests and a table that answers RETRY, then one sweep gives up after a page."""
    setting = Setting()
    for index in range(1_000):
        setting.table.put(image(f"caller#{index}", status="waiting-a", due_at=index))
    setting.requests.instead = lambda _: WriteResult.RETRY
    assert await setting.sweep.once() == 0
    assert len(setting.requests.batches) <= 4


@asynchronous
async def test_several_sweepers_redrive_each_request_once() -> None:
    """Conditions let one of them win each row."""
    setting = Setting()
    for index in range(100):
        setting.table.put(image(f"caller#{index}", status=f"waiting-{index % 16:x}", due_at=0))
    redriven = await asyncio.gather(*(setting.new_sweep().once() for _ in range(3)))
    assert sum(redriven) == 100
    assert {setting.attempt(f"caller#{index}") for index in range(100)} == {1}


@asynchronous
async def test_what_can_never_be_redriven_does_not_keep_the_rest_waiting() -> None:
    """Given more ghosts than a page at the head of a queue, then the request behind them is redriven all the same."""
    setting = Setting()
    for index in range(150):
        setting.table.put(image(f"ghost#{index:03}", status="waiting-a", due_at=index, request=None))
    setting.table.put(image(status="waiting-a", due_at=1_000))
    for _ in range(5):
        await setting.sweep.once()
        await setting.clock.advance(5)
    assert setting.attempt() == 1


@asynchronous
async def test_foreign_rows_do_not_end_the_sweep() -> None:
    """Given rows somebody else wrote, then they are passed over."""
    setting = Setting()
    for index, spoiled in enumerate(({"due_at": {"N": "1.5"}}, {"attempt": {"S": "x"}}, {"accepted_at": {"N": "1.5"}})):
        setting.table.items[f"foreign#{index}"] = {**image(f"foreign#{index}", status="waiting-a", due_at=0), **spoiled}
    setting.table.put(image(status="waiting-a", due_at=0))
    assert await setting.sweep.once() == 1
    assert setting.attempt() == 1


@pytest.mark.parametrize("result", [WriteResult.RETRY, WriteResult.INVALID, WriteResult.TOO_LARGE])
@asynchronous
async def test_a_row_that_is_not_written_now_is_tried_by_the_next_sweep(result: WriteResult) -> None:
    """Nothing is given up, and the others of its batch are redriven."""
    setting = Setting()
    for name in ("one", "two"):
        setting.table.put(image(name, status="waiting-a", due_at=0))
    setting.requests.instead = lambda write: result if write.id == "one" else None
    assert await setting.sweep.once() == 1
    setting.requests.instead = lambda _: None
    assert await setting.sweep.once() == 1


@asynchronous
async def test_an_unreachable_table_only_delays_the_sweep() -> None:
    """Given an outage, then the sweep goes on when it is over, at its interval."""
    setting = Setting()
    setting.table.put(image(status="waiting-a", due_at=0))
    setting.requests.reachable = False
    sweeping = asyncio.create_task(setting.sweep.run())
    await setting.clock.advance(60)
    assert (setting.attempt(), sweeping.done()) == (0, False)
    setting.requests.reachable = True
    await setting.clock.advance(5)
    assert setting.attempt() == 1
    sweeping.cancel()
    await settle()

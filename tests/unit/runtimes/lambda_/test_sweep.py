"""The scheduled sweep: once, and again while there is work and time."""

import asyncio
import logging
from typing import Any

import pytest

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.core import names
from dropslot.core.errors import TransientError
from dropslot.engine.sweep import ROWS_PER_QUEUE
from dropslot.runtimes.lambda_.sweep import ScheduledSweep
from tests.unit.core.images import image
from tests.unit.engine.doubles import FlakyRequests, VirtualClock, asynchronous
from tests.unit.runtimes.lambda_.stand import settings


class Setting:
    """A table with waiting requests, and the function's sweep over it."""

    def __init__(self, waiting: int) -> None:
        self.clock = VirtualClock()
        self.table = MemoryRequests()
        self.requests = FlakyRequests(self.table)
        for number in range(waiting):
            due_at = self.clock.now_ms() - 1
            self.table.put(image(f"caller#{number}", status="waiting-a", due_at=due_at, accepted_at=due_at))
        self.sweep = ScheduledSweep(settings=settings(), table=self.requests, clock=self.clock)

    def pending(self) -> int:
        """Return how many were redriven."""
        return sum(item.get("status") == {"S": "pending-a"} for item in self.table.items.values())

    async def invoke(self, remaining_seconds: float) -> dict[str, Any]:
        """Invoke the function; time moves on by itself."""
        call = asyncio.create_task(self.sweep.run(remaining_ms=remaining_seconds * 1000))
        while not call.done():
            await self.clock.advance(1)
        return await call


@asynchronous
async def test_due_requests_are_redriven_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Given three waiting requests that are due, then all are pending, and counts and backlog are logged."""
    caplog.set_level(logging.INFO)
    setting = Setting(3)
    assert await setting.invoke(55) == {"redriven": 3}
    assert setting.pending() == 3
    (line,) = [vars(entry) for entry in caplog.records if entry.getMessage() == "counted"]
    assert line["redriven_waiting"] == 3
    (line,) = [vars(entry) for entry in caplog.records if entry.getMessage() == "backlog"]
    assert (line["unsettled"], line["overdue"], line["complete"]) == (3, 0, True)


@asynchronous
async def test_nothing_to_do_takes_no_time(caplog: pytest.LogCaptureFixture) -> None:
    """Given an empty table, then it answers at once, and logs that nothing is unsettled."""
    caplog.set_level(logging.INFO)
    setting = Setting(0)
    assert await setting.invoke(55) == {"redriven": 0}
    assert setting.clock.slept == []
    assert [entry.getMessage() for entry in caplog.records] == ["backlog"]


@asynchronous
async def test_more_than_one_sweep_takes_is_swept_in_the_same_invocation() -> None:
    """Given more than two sweeps' worth, then three are made, with the usual pause between them."""
    setting = Setting(2 * ROWS_PER_QUEUE + 1)
    assert await setting.invoke(55) == {"redriven": 2 * ROWS_PER_QUEUE + 1}
    assert setting.clock.slept == [5, 5, 5]


@asynchronous
async def test_it_ends_before_the_function_is_cut_off() -> None:
    """Given time for two sweeps only, then the rest is left for the next invocation."""
    setting = Setting(5 * ROWS_PER_QUEUE)
    assert await setting.invoke(11) == {"redriven": 2 * ROWS_PER_QUEUE}


@asynchronous
async def test_a_pause_is_heeded(caplog: pytest.LogCaptureFixture) -> None:
    """Given a pause, then nothing is redriven, and the backlog is counted all the same; after it all is."""
    caplog.set_level(logging.INFO)
    setting = Setting(3)
    setting.table.put({names.ID: {"S": names.CONTROL_ID}, names.PAUSED_AT: {"N": "1"}})
    assert await setting.invoke(55) == {"redriven": 0}
    assert setting.pending() == 0
    assert [entry.getMessage() for entry in caplog.records] == ["paused", "backlog"]
    del setting.table.items[names.CONTROL_ID]
    assert await setting.invoke(55) == {"redriven": 3}


@asynchronous
async def test_a_pause_that_cannot_be_asked_for_is_none(caplog: pytest.LogCaptureFixture) -> None:
    """Given that the pause can't be asked for, the table else can, then the sweep does its work and says so."""
    setting = Setting(3)

    async def refuse() -> bool:
        raise TransientError("AccessDeniedException")

    setting.requests.paused = refuse  # type: ignore[method-assign]
    assert await setting.invoke(55) == {"redriven": 3}
    assert "pause_unknown" in [entry.getMessage() for entry in caplog.records]


@asynchronous
async def test_a_table_out_of_reach_fails_the_invocation(caplog: pytest.LogCaptureFixture) -> None:
    """Given no table, then the function's own error metric shows it, and a line says why."""
    setting = Setting(1)
    setting.requests.reachable = False
    with pytest.raises(TransientError):
        await setting.invoke(55)
    assert [entry.getMessage() for entry in caplog.records] == ["pause_unknown", "sweep_unreachable"]

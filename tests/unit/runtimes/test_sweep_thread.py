"""The sweep beside the supervisor: it goes on after a fault, and ends when told."""

import asyncio
import threading
from contextlib import ExitStack

import pytest

from dropslot.adapters.clock import SystemClock
from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.core.item import Unfinished
from dropslot.engine.sweep import Sweep, SweepOptions
from dropslot.runtimes.assembly import ThreadedSweep
from dropslot.runtimes.kcl import sweep_thread
from dropslot.runtimes.kcl.sweep_thread import SweepThread
from dropslot.settings import Settings


class Faulty(MemoryRequests):
    """A table whose index breaks once, in a way that nobody foresaw."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = True
        self.asked_again = threading.Event()

    async def unfinished(
        self, queue: str, *, due_before_ms: int, limit: int, after: Unfinished | None = None
    ) -> list[Unfinished]:
        """Fail once."""
        if self.broken:
            self.broken = False
            raise KeyError("unforeseen")
        self.asked_again.set()
        return []


def test_a_sweep_that_failed_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a fault that is none of the table's reachability, then the sweep is built and run again, and can end."""
    monkeypatch.setattr(sweep_thread, "_PAUSE_SECONDS", 0.01)
    table = Faulty()
    closed: list[bool] = []

    def make(leaving: ExitStack) -> list[asyncio.Task[None]]:
        leaving.callback(closed.append, True)
        options = SweepOptions(interval_seconds=0.01, grace_ms=1)
        sweep = Sweep(requests=table, clock=SystemClock(), counters=MemoryCounters(), options=options)
        return [asyncio.create_task(sweep.run())]

    with SweepThread(Settings.from_env({}), lambda _: ThreadedSweep(make)):
        assert table.asked_again.wait(10)
        assert closed == [True], "what the first one held was let go"
    assert table.broken is False

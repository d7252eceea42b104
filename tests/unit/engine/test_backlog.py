"""The backlog: what counts as unsettled, what as overdue, and what is logged of it."""

import logging

import pytest

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.core.errors import TransientError
from dropslot.engine import backlog
from dropslot.engine.backlog import Backlog, measure
from tests.unit.core.images import image
from tests.unit.engine.doubles import VirtualClock, asynchronous

GRACE_MS = 1_000


@asynchronous
async def test_overdue_is_what_the_sweep_should_have_redriven_long_ago() -> None:
    """A waiting request a grace after it was due, a pending one a grace after the sweep's turn."""
    now_ms = 1_000_000
    table = MemoryRequests()
    for name, status, late_ms in (
        ("just due", "waiting-a", 0),
        ("late", "waiting-b", GRACE_MS),
        ("later", "waiting-f", -5),
        ("on its way", "pending-a", GRACE_MS),
        ("late too", "pending-0", 2 * GRACE_MS),
    ):
        table.put(image(name, status=status, due_at=now_ms - late_ms))
    table.put(image("done", status="done-a", due_at=1, ttl=5))
    assert await measure(table, now_ms=now_ms, grace_ms=GRACE_MS) == Backlog(unsettled=5, overdue=2, complete=True)


@asynchronous
async def test_a_long_queue_is_not_counted_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted is read and paid for."""
    monkeypatch.setattr(backlog, "ROWS_PER_QUEUE", 3)
    table = MemoryRequests()
    for number in range(5):
        table.put(image(f"caller#{number}", status="pending-a", due_at=1))
    assert await measure(table, now_ms=10**6, grace_ms=1) == Backlog(unsettled=3, overdue=3, complete=False)


class Unreachable(MemoryRequests):
    """A table that never answers."""

    async def count_unfinished(self, queue: str, *, due_before_ms: int | None = None, limit: int) -> int:
        """Fail."""
        raise TransientError("throttled")


@pytest.mark.parametrize(
    ("table", "event"), [(MemoryRequests(), "backlog"), (Unreachable(), "backlog_unreachable")], ids=["fine", "not"]
)
def test_it_is_logged(table: MemoryRequests, event: str, caplog: pytest.LogCaptureFixture) -> None:
    """One line, whether the table answers or not."""

    @asynchronous
    async def tell() -> None:
        await backlog.tell(table, clock=VirtualClock(), grace_ms=GRACE_MS)

    with caplog.at_level(logging.INFO):
        tell()
    assert [line.message for line in caplog.records] == [event]

"""What the real table says when it can't be used: never an answer about an item, always "again, later"."""

import asyncio

import pytest

from dropslot.core.errors import TransientError
from dropslot.core.policy import Done
from dropslot.core.transitions import Write, settle
from dropslot.engine.ports import WriteResult
from tests.contract.requests.conftest import Port
from tests.unit.core.images import state


def writes(count: int) -> list[Write]:
    """Return outcomes of as many requests."""
    return [settle(state(id=f"caller#{index}"), Done(None), now_ms=1, ttl_seconds=1) for index in range(count)]


async def cannot_be_read(table: Port) -> None:
    """Check that reads raise what the caller repeats, and that the reason names the table."""
    with pytest.raises(TransientError, match=r"requests|never-made"):
        await table.read(["caller#1"])
    with pytest.raises(TransientError, match=r"requests|never-made"):
        await table.unfinished("pending-a", due_before_ms=5, limit=5)
    with pytest.raises(TransientError, match=r"requests|never-made"):
        await table.count_unfinished("pending-a", limit=5)


def test_reads_without_a_server_may_be_made_later(unreachable: Port) -> None:
    """Given no server, then nothing is known."""
    asyncio.run(cannot_be_read(unreachable))


def test_reads_without_a_table_may_be_made_later(missing: Port) -> None:
    """Given no table, then its requests aren't gone."""
    asyncio.run(cannot_be_read(missing))


def test_writes_without_a_server_may_be_made_later(unreachable: Port) -> None:
    """No result is known."""

    async def write() -> None:
        with pytest.raises(TransientError):
            await unreachable.write(writes(3))

    asyncio.run(write())


@pytest.mark.parametrize("count", [1, 3])
def test_writes_without_a_table_may_be_made_later(missing: Port, count: int) -> None:
    """Per statement or as a whole, but never refused or invalid: that would lose the outcome."""

    async def write() -> None:
        try:
            results = await missing.write(writes(count))
        except TransientError:
            return
        assert list(results) == [WriteResult.RETRY] * count

    asyncio.run(write())

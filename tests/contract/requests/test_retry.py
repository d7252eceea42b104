"""An operator's redrive on every side of the table: the twin, and both ways to the real one."""

import asyncio

from dropslot.core.transitions import retry
from dropslot.engine.ports import WriteResult
from tests.contract.requests.conftest import Table
from tests.unit.core.images import ACCEPTED_AT_MS, image, state


def test_a_failed_request_is_redriven_once(table: Table) -> None:
    """Given a failed request and two operators, one redrives it, the other is refused."""
    table.put(image(status="failed-a", error='it\'s "busy"?', attempt=3, tries=4, starts=1))
    write = retry(state(status="failed", attempt=3), error='it\'s "busy"?', now_ms=ACCEPTED_AT_MS + 5)

    async def twice() -> list[WriteResult]:
        return [await table.write(write), await table.write(write)]

    assert asyncio.run(twice()) == [WriteResult.APPLIED, WriteResult.REFUSED]
    due_at, last_error = ACCEPTED_AT_MS + 5, 'it\'s "busy"?'
    assert table.get("caller#one") == image(attempt=4, rerun=4, tries=0, due_at=due_at, last_error=last_error)

"""What operators told all consumers, on every side of the table."""

import asyncio

from dropslot.core import names
from tests.contract.requests.conftest import Table


def test_a_pause_is_told_while_it_is_there(table: Table) -> None:
    """Given no item of that name, then one without a pause, then one with it, only the last is a pause."""

    def paused() -> bool:
        return asyncio.run(table.requests.paused())

    assert paused() is False
    table.put({names.ID: {"S": names.CONTROL_ID}})
    assert paused() is False
    table.put({names.ID: {"S": names.CONTROL_ID}, names.PAUSED_AT: {"N": "1760000000000"}})
    assert paused() is True

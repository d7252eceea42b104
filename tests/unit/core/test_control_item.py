"""The item that tells consumers of a pause is none of a request: nothing that moves requests can meet it."""

import asyncio
from typing import Any

import pytest

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import state_from
from dropslot.core import names
from dropslot.core.change import Removed, Unusable, parse
from dropslot.core.item import Unfinished
from dropslot.core.policy import Done, Failed, Waiting
from dropslot.core.transitions import Write, clear, redrive, retry, settle, suspect
from dropslot.engine.ports import WriteResult
from tests.unit.core.images import ACCEPTED_AT_MS, TABLE, data, record, state

CONTROL: dict[str, dict[str, Any]] = {
    names.ID: {"S": names.CONTROL_ID},
    names.PAUSED_AT: {"N": str(ACCEPTED_AT_MS)},
    names.REASON: {"S": "why"},
}
STATE = state(id=names.CONTROL_ID)

WRITES: list[Write] = [
    *(
        settle(STATE, outcome, now_ms=ACCEPTED_AT_MS, ttl_seconds=1)
        for outcome in (Done(None), Failed("x"), Waiting("x", 1))
    ),
    suspect(STATE, now_ms=ACCEPTED_AT_MS),
    clear(STATE, now_ms=ACCEPTED_AT_MS),
    redrive(Unfinished(state=STATE, due_at=ACCEPTED_AT_MS), due_at=ACCEPTED_AT_MS),
    retry(STATE, error="why", now_ms=ACCEPTED_AT_MS),
]


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.transition)
def test_no_transition_meets_it(write: Write) -> None:
    """Given any transition of a request with its id, it is refused, and the item stays."""
    table = MemoryRequests()
    table.put(CONTROL)
    assert asyncio.run(table.write([write])) == [WriteResult.REFUSED]
    assert table.items == {names.CONTROL_ID: CONTROL}


def test_its_change_records_run_nothing() -> None:
    """Given the records of a pause and of its end, they are foreign, or a removal."""
    made = parse(data(record(CONTROL)), TABLE)
    assert isinstance(made, Unusable)
    assert made.kind == "foreign"
    assert isinstance(parse(data(record(None, CONTROL)), TABLE), Removed)


def test_it_is_no_state_and_in_no_index() -> None:
    """Given the item, it is read as no request, and the index doesn't hold it."""
    assert state_from(CONTROL) is None
    assert names.QUEUE not in CONTROL


def test_the_api_makes_no_such_id() -> None:
    """Given any caller, type and key, the item's key has separators."""
    assert names.ID_SEPARATOR not in names.CONTROL_ID
    assert names.ID_SEPARATOR in names.item_id("@control", "", "")

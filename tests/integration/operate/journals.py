"""Journals for the tests of operators' commands: what runs of requests have come to."""

from typing import Any, Final

from dropslot.core import names
from dropslot.local.tables import ensure_journal
from tests.integration.operate.operator import Operator
from tests.unit.core.images import ACCEPTED_AT_MS

ERROR: Final = "ValueError: no such street"
#: What the error of a request tells of which a step isn't undone.
STUCK_ERROR: Final = f"{ERROR}; not undone: charge (TimeoutError: the bank)"


def step(name: str, result: str, second: int, **attributes: str | int) -> dict[str, Any]:
    """Return a finished step; the result is JSON, the second one after the request was accepted."""
    fields = {"name": name, "result": result, "at": ACCEPTED_AT_MS + second * 1000, **attributes}
    return {"M": _attributes(fields)}


def run_of(
    request_id: str, *steps: dict[str, Any], run: int = 0, accepted_at: int = ACCEPTED_AT_MS, **attributes: str | int
) -> dict[str, Any]:
    """Return the journal of a run in DynamoDB's JSON."""
    fields = {
        names.ID: request_id,
        names.RUN: names.run_key(accepted_at, run),
        names.ATTEMPT: 0,
        "began": 0,
        **attributes,
    }
    return {**_attributes(fields), "steps": {"L": list(steps)}}


def stuck(request_id: str, **attributes: Any) -> dict[str, Any]:
    """Return the journal of a run of which the charge isn't undone."""
    given: dict[str, Any] = {"undoing": 1, "error": STUCK_ERROR, "closed": "stuck", "closed_by": "a1", **attributes}
    return run_of(
        request_id,
        step("reserve", '{"reservation":1}', 1, undone_at=ACCEPTED_AT_MS + 4_000),
        step("charge", '{"card":"4711"}', 2, undo_error="TimeoutError: the bank"),
        **given,
    )


def undone(request_id: str, *steps: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    """Return the journal of a run of which nothing is left."""
    given: dict[str, Any] = {"undoing": 1, "error": ERROR, "closed": "undone", "closed_by": "b2", **attributes}
    return run_of(request_id, *steps, **given)


def put(operator: Operator, *journals: dict[str, Any]) -> None:
    """Place journals; the table is made if it isn't there."""
    table = f"{operator.table}-journal"
    ensure_journal(operator.client, table)
    for journal in journals:
        operator.client.put_item(TableName=table, Item=journal)


def _attributes(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in fields.items()}

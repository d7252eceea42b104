"""Items and change records as DynamoDB writes them, for tests."""

import json
from collections.abc import Mapping
from typing import Any

from dropslot.core import names
from dropslot.core.change import Change, parse
from dropslot.core.item import State

TABLE = "requests"
ACCEPTED_AT_MS = 1_760_000_000_000

Image = dict[str, dict[str, Any]]


def image(request_id: str = "caller#one", /, **attributes: str | int | None) -> Image:
    """Return an accepted item in DynamoDB's JSON; `attributes` replace, add (str as S, int as N) or remove (None)."""
    item: dict[str, str | int | None] = {
        names.ID: request_id,
        names.REQUEST: '{"order": 1}',
        names.TYPE: "orders",
        names.CONTENT_TYPE: "application/json",
        names.ACCEPTED_AT: ACCEPTED_AT_MS,
        names.ATTEMPT: 0,
        names.TRIES: 0,
        names.STATUS: "pending-a",
        names.DUE_AT: ACCEPTED_AT_MS,
        **attributes,
    }
    if names.QUEUE not in attributes and not str(item[names.STATUS]).startswith("done"):
        item[names.QUEUE] = item[names.STATUS]
    return {
        name: {"S": value} if isinstance(value, str) else {"N": str(value)}
        for name, value in item.items()
        if value is not None
    }


def record(
    new: Mapping[str, Any] | None,
    old: Mapping[str, Any] | None = None,
    *,
    event: str | None = None,
    table: str = TABLE,
    created: float = ACCEPTED_AT_MS * 1000,
) -> dict[str, Any]:
    """Return a change record; its event follows from the images unless given."""
    if event is None:
        event = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
    present = new if new is not None else old
    assert present is not None
    dynamodb: dict[str, Any] = {
        "ApproximateCreationDateTime": created,
        "Keys": {"id": present.get("id")},
        "SizeBytes": 100,
        "ApproximateCreationDateTimePrecision": "MICROSECOND",
    }
    if new is not None:
        dynamodb["NewImage"] = new
    if old is not None:
        dynamodb["OldImage"] = old
    return {
        "awsRegion": "eu-central-1",
        "eventID": "2b2b54a8-0d4a-4b61-8a3e-1d3f5a6c7b8d",
        "eventName": event,
        "userIdentity": None,
        "recordFormat": "application/json",
        "tableName": table,
        "dynamodb": dynamodb,
        "eventSource": "aws:dynamodb",
    }


def data(change: Mapping[str, Any]) -> bytes:
    """Return a record as Kinesis carries it."""
    return json.dumps(change).encode()


def parsed(new: Mapping[str, Any], old: Mapping[str, Any] | None = None, *, event: str | None = None) -> Change:
    """Return the change of two images; fails when it is none."""
    change = parse(data(record(new, old, event=event)), TABLE)
    assert isinstance(change, Change), change
    return change


def state(**fields: Any) -> State:
    """Return the state of an accepted request, with these fields replaced."""
    values: dict[str, Any] = {
        "id": "caller#one",
        "accepted_at": ACCEPTED_AT_MS,
        "attempt": 0,
        "tries": 0,
        "status": names.PENDING,
        "digit": "a",
        "settled": False,
        **fields,
    }
    return State(**values)

"""Between DynamoDB's attribute values and ours, shared by the real table and its twin."""

from collections.abc import Mapping
from typing import Any

from dropslot.core import names
from dropslot.core.item import State, Unfinished, split_status
from dropslot.core.transitions import Value

#: An item in DynamoDB's JSON: ``{"attempt": {"N": "0"}, …}``.
Item = Mapping[str, Mapping[str, Any]]

#: What a state is read from: never the body.
STATE_ATTRIBUTES = (
    names.ID,
    names.ACCEPTED_AT,
    names.ATTEMPT,
    names.TRIES,
    names.STATUS,
    names.TTL,
    names.ERROR,
    names.STARTS,
    names.FLOOR,
    names.RERUN,
)


def state_from(item: Item) -> State | None:
    """Return the state an item shows; None when it is no request."""
    try:
        status, digit = split_status(item[names.STATUS]["S"])
        return State(
            id=item[names.ID]["S"],
            accepted_at=int(item[names.ACCEPTED_AT]["N"]),
            attempt=int(item[names.ATTEMPT]["N"]),
            tries=int(item[names.TRIES]["N"]) if names.TRIES in item else 0,
            status=status,
            digit=digit,
            settled=names.TTL in item or names.ERROR in item,
            starts=int(item[names.STARTS]["N"]) if names.STARTS in item else 0,
            floor=int(item[names.FLOOR]["N"]) if names.FLOOR in item else 0,
            suspected=names.STARTS in item,
            rerun=int(item[names.RERUN]["N"]) if names.RERUN in item else 0,
        )
    except (KeyError, ValueError):
        return None


def unfinished_from(row: Item) -> Unfinished | None:
    """Return what a row of the index shows; None when it is no request. Its `queue` is the copy of `status`."""
    if names.QUEUE not in row or names.DUE_AT not in row:
        return None
    state = state_from({**row, names.STATUS: row[names.QUEUE]})
    try:
        due_at = int(row[names.DUE_AT]["N"])
    except (KeyError, ValueError):
        return None
    return Unfinished(state=state, due_at=due_at) if state is not None else None


def attribute(value: Value | Mapping[str, str]) -> dict[str, Any]:
    """Return a value as DynamoDB's JSON has it."""
    if isinstance(value, Mapping):
        return {"M": {name: {"S": text} for name, text in value.items()}}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}

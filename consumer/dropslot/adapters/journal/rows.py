"""Between DynamoDB's attribute values and ours, shared by the real table and its twin."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dropslot.adapters.requests.rows import Item, attribute
from dropslot.core import journal, names
from dropslot.core.errors import TransientError
from dropslot.core.journal import Entry, Key, Step, Value

#: What a run begins with, so that each step has a list to be put into.
NO_STEPS: Final[Mapping[str, Any]] = {"L": []}


def key_attributes(key: Key) -> dict[str, Any]:
    """Return the key of a journal's item."""
    return {names.ID: attribute(key.id), names.RUN: attribute(key.sort)}


def generation(accepted_at: int) -> str:
    """Return what the sort keys of all runs of a request begin with."""
    return Key(id="", accepted_at=accepted_at, run=0).sort.partition(names.ID_SEPARATOR)[0] + names.ID_SEPARATOR


def value_attribute(value: Value) -> dict[str, Any]:
    """Return what a write sets, as DynamoDB's JSON has it."""
    if isinstance(value, Step):
        fields: dict[str, str | int] = msgspec.to_builtins(value)
        return {"M": {name: attribute(field) for name, field in fields.items()}}
    return attribute(value)


def entry_from(item: Item, table: str) -> Entry:
    """Return what an item says.

    Args:
        item: in DynamoDB's JSON.
        table: where it was found.

    Raises:
        TransientError: it is no journal. Nobody but an operator can mend it, and until then nothing is known.
    """
    try:
        accepted_at, _, run = item[names.RUN]["S"].partition(names.ID_SEPARATOR)
        return Entry(
            key=Key(id=item[names.ID]["S"], accepted_at=int(accepted_at), run=int(run)),
            attempt=int(item[names.ATTEMPT]["N"]),
            began=int(item[journal.BEGAN]["N"]),
            owner=_text(item, journal.OWNER),
            lease_until=_number(item, journal.LEASE_UNTIL),
            steps=tuple(_step_from(step["M"]) for step in item[journal.STEPS]["L"]),
            undoing=_number(item, journal.UNDOING) != 0,
            error=_text(item, names.ERROR),
            undo_tries=_number(item, journal.UNDO_TRIES),
            closed=_text(item, journal.CLOSED),
            closed_by=_text(item, journal.CLOSED_BY),
            result=_text(item, names.RESULT) if names.RESULT in item else None,
        )
    except (KeyError, TypeError, ValueError):
        raise TransientError(f"table {table}: an item of {item.get(names.ID)} is no journal; remove it") from None


def _step_from(fields: Item) -> Step:
    return Step(
        name=fields["name"]["S"],
        result=fields["result"]["S"],
        at=int(fields["at"]["N"]),
        undone_at=_number(fields, "undone_at"),
        undo_error=_text(fields, "undo_error"),
    )


def _text(item: Item, name: str) -> str:
    return str(item[name]["S"]) if name in item else ""


def _number(item: Item, name: str) -> int:
    return int(item[name]["N"]) if name in item else 0

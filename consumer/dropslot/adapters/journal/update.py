"""Conditional writes of journals as the arguments of UpdateItem.

Every name is an alias: most are reserved words. An index past the end of a list appends to it.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from typing import Any

from dropslot.adapters.journal.rows import NO_STEPS, key_attributes, value_attribute
from dropslot.adapters.requests.rows import attribute
from dropslot.core import journal, names
from dropslot.core.journal import AsSeen, Condition, JournalWrite, Owned, Path, Unclaimed


def update(table: str, write: JournalWrite) -> dict[str, Any]:
    """Return a write as the arguments of UpdateItem.

    An item in its way comes back with the refusal; a claim gets what it has claimed.
    """
    terms = _Terms()
    sets = [f"{terms.path(path)} = {terms.value(value_attribute(value))}" for path, value in write.sets.items()]
    if isinstance(write.condition, Unclaimed):
        sets.append(f"{terms.path((journal.STEPS,))} = {terms.value(dict(NO_STEPS))}")
    clauses = []
    if sets:
        clauses.append(f"SET {', '.join(sets)}")
    if write.removes:
        clauses.append(f"REMOVE {', '.join(terms.path((name,)) for name in write.removes)}")
    condition = terms.condition(write.condition)
    return {
        "TableName": table,
        "Key": key_attributes(write.key),
        "UpdateExpression": " ".join(clauses),
        "ConditionExpression": condition,
        "ExpressionAttributeNames": terms.aliases,
        **({"ExpressionAttributeValues": terms.values} if terms.values else {}),
        "ReturnValues": "NONE" if isinstance(write.condition, Owned) else "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


class _Terms:
    """What expressions are made of, while they are made."""

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def path(self, path: Path) -> str:
        """Return a path, every name of it an alias."""
        text = ""
        for part in path:
            if isinstance(part, int):
                text += f"[{part}]"
            else:
                self.aliases[f"#{part}"] = part
                text += f".#{part}" if text else f"#{part}"
        return text

    def value(self, value: dict[str, Any]) -> str:
        """Return the placeholder of a value."""
        name = f":{len(self.values)}"
        self.values[name] = value
        return name

    def condition(self, condition: Condition) -> str:
        """Return a condition."""
        if isinstance(condition, Unclaimed):
            return f"attribute_not_exists({self.path((names.ID,))})"
        if isinstance(condition, Owned):
            return self._equals(journal.OWNER, condition.owner)
        return self._as_seen(condition)

    def _as_seen(self, seen: AsSeen) -> str:
        return " AND ".join(
            (
                self._equals(names.ATTEMPT, seen.attempt),
                self._same(journal.OWNER, seen.owner),
                self._same(journal.LEASE_UNTIL, seen.lease_until),
                self._same(journal.CLOSED, seen.closed),
            )
        )

    def _equals(self, name: str, value: str | int) -> str:
        return f"{self.path((name,))} = {self.value(attribute(value))}"

    def _same(self, name: str, value: str | int) -> str:
        return self._equals(name, value) if value else f"attribute_not_exists({self.path((name,))})"

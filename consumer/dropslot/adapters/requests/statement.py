"""Conditional writes as PartiQL statements for BatchExecuteStatement.

Every name is quoted (most are reserved words), and each attribute removed needs its own REMOVE clause.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.update.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.insert.html
"""

from typing import Any

from dropslot.adapters.requests.rows import attribute
from dropslot.core import names
from dropslot.core.transitions import Absent, AbsentOrAtMost, Condition, Equals, Insert, Present, Write


def statement(table: str, write: Write) -> dict[str, Any]:
    """Return a write as one entry of BatchExecuteStatement's ``Statements``."""
    clauses = [f'UPDATE "{table}"']
    parameters: list[dict[str, Any]] = []
    for name, value in write.sets.items():
        clauses.append(f'SET "{name}" = ?')
        parameters.append(attribute(value))
    clauses.extend(f'REMOVE "{name}"' for name in write.removes)
    clauses.append(f'WHERE "{names.ID}" = ?')
    parameters.append(attribute(write.id))
    for condition in write.conditions:
        clauses.append(f"AND {_clause(condition)}")
        if isinstance(condition, (Equals, AbsentOrAtMost)):
            parameters.append(attribute(condition.value))
    return {"Statement": " ".join(clauses), "Parameters": parameters}


def insert_statement(table: str, insert: Insert) -> dict[str, Any]:
    """Return an insert as one entry of BatchExecuteStatement's ``Statements``; it fails where there is an item."""
    attributes = {names.ID: insert.id, **insert.attributes}
    fields = ", ".join(f"'{name}': ?" for name in attributes)
    return {
        "Statement": f'INSERT INTO "{table}" VALUE {{{fields}}}',
        "Parameters": [attribute(value) for value in attributes.values()],
    }


def _clause(condition: Condition) -> str:
    name = f'"{condition.name}"'
    if isinstance(condition, Present):
        return f"{name} IS NOT MISSING"
    if isinstance(condition, Absent):
        return f"{name} IS MISSING"
    if isinstance(condition, Equals):
        return f"{name} = ?"
    return f"({name} IS MISSING OR {name} <= ?)"

"""Conditional writes as PartiQL statements."""

from dropslot.adapters.requests.statement import statement
from dropslot.core.transitions import Absent, AbsentOrAtMost, Equals, Present, Write


def test_a_write_is_one_update_with_all_values_as_parameters() -> None:
    """Names are quoted, each attribute removed has a clause of its own, no value stands in the text."""
    write = Write(
        transition="t",
        id="caller#' OR 1=1",
        conditions=(Present("request"), Absent("ttl"), Equals("attempt", 3), AbsentOrAtMost("floor", 4)),
        sets={"status": "done-a", "ttl": 5},
        removes=("queue", "error"),
    )
    assert statement("requests", write) == {
        "Statement": (
            'UPDATE "requests" SET "status" = ? SET "ttl" = ? REMOVE "queue" REMOVE "error" WHERE "id" = ?'
            ' AND "request" IS NOT MISSING AND "ttl" IS MISSING AND "attempt" = ?'
            ' AND ("floor" IS MISSING OR "floor" <= ?)'
        ),
        "Parameters": [{"S": "done-a"}, {"N": "5"}, {"S": "caller#' OR 1=1"}, {"N": "3"}, {"N": "4"}],
    }

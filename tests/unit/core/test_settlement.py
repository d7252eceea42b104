"""Which change records settle a request."""

from typing import Any

import pytest

from dropslot.core.feedback import Standing
from dropslot.core.settlement import settlement
from dropslot.core.turn import Turn
from tests.unit.core.images import ACCEPTED_AT_MS, TABLE, Image, data, image, record

ID = "AROA#orders#a1"


def seen(new: Image | None, old: Image | None, **fields: Any) -> Standing | None:
    """Return what a record of two images says."""
    return settlement(data(record(new, old, **fields)), TABLE)


@pytest.mark.parametrize("before", ["pending-a", "waiting-0"])
def test_an_outcome_is_told_from_the_new_image(before: str) -> None:
    """Given a change from unsettled to settled, then error and result come along."""
    old = image(ID, status=before)
    done = image(ID, status="done-a", ttl=5, result='{"ticket":1}')
    failed = image(ID, status="failed-f", error="no")
    first = Turn(accepted_at=ACCEPTED_AT_MS, attempt=0)
    assert seen(done, old) == Standing(id=ID, turn=first, status="done", result='{"ticket":1}')
    assert seen(failed, old) == Standing(id=ID, turn=first, status="failed", error="no")


def test_an_outcome_is_of_the_turn_in_which_it_was_written() -> None:
    """Given a redriven request of some generation, then its outcome comes after those of earlier turns."""
    old = image(ID, accepted_at=7, attempt=3)
    outcome = seen(image(ID, accepted_at=7, attempt=3, status="done-a", ttl=5), old)
    assert outcome is not None
    assert outcome.turn == Turn(accepted_at=7, attempt=3)
    assert Turn(accepted_at=7, attempt=2) < outcome.turn < Turn(accepted_at=8, attempt=0)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (image(ID), None),
        (None, image(ID, status="done-a", ttl=5)),
        (image(ID, attempt=1), image(ID)),
        (image(ID, status="waiting-a"), image(ID)),
        (image(ID, status="pending-a", attempt=1), image(ID, status="waiting-a")),
        (image(ID, status="pending-a", attempt=1), image(ID, status="failed-a", error="no")),
        (image(ID, status="done-a", ttl=9), image(ID, status="done-a", ttl=5)),
        (image(ID, status="done-a", ttl=9), image(ID, status="failed-a", error="no")),
        (image(ID, status="done-a", ttl=9, accepted_at=5), image(ID)),
    ],
    ids=["accepted", "expired", "redriven", "waits", "swept", "retried", "again", "amended", "another generation"],
)
def test_nothing_else_is(new: Image | None, old: Image | None) -> None:
    """Given any other change, then nobody is to be told."""
    assert seen(new, old) is None


@pytest.mark.parametrize("event", ["INSERT", "REMOVE", "UPDATE"])
def test_only_a_modification_counts(event: str) -> None:
    """Given the images of an outcome under another event's name, then it is none."""
    assert seen(image(ID, status="done-a", ttl=5), image(ID), event=event) is None


def test_another_table_s_changes_are_not_ours() -> None:
    """Given an outcome of another table in the same stream, then it is none."""
    assert seen(image(ID, status="done-a", ttl=5), image(ID), table="others") is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"hello",
        b"[]",
        b'{"eventName":"MODIFY","tableName":"requests","dynamodb":{}}',
        b'{"x":' * 50_000,
        b"\xff\xfe",
        data(record(image(ID, status="open"), image(ID))),
        data(record(image(ID, status="done-a"), image(ID, status=None))),
        data(record({**image(ID, status="done-a"), "error": {"N": "5"}}, image(ID))),
        data(record(image(ID, status="done-a", attempt=None), image(ID))),
        data(record({**image(ID, status="done-a"), "attempt": {"N": "1.5"}}, image(ID))),
    ],
)
def test_broken_and_foreign_records_are_passed_over(payload: bytes) -> None:
    """Given something that is no change of a request, then nothing is raised."""
    assert settlement(payload, TABLE) is None

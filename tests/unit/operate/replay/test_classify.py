"""How each record's request stands."""

import pytest

from dropslot.core.change import parse
from dropslot.operate.replay.classify import Class, class_of_record, class_of_request
from dropslot.operate.replay.removal import removal
from dropslot.operate.row import Row
from tests.unit.core.images import ACCEPTED_AT_MS, TABLE, Image, data, image, record, state

GRACE_MS = 300_000
NOW_MS = ACCEPTED_AT_MS + 3_600_000
AGAIN = image(attempt=1)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (data(record(image())), None),
        (data(record(AGAIN, image())), None),
        (data(record(AGAIN, event="MODIFY")), None),
        (data(record(image(starts=1), image())), Class.OURS),
        (data(record(image(status="waiting-a"), image())), Class.OURS),
        (data(record(image(status="failed-a", error="x"), image())), Class.OURS),
        (data(record(image(status="done-a", ttl=5), image())), Class.OURS),
        (data(record(None, image())), Class.OURS),
        (data(record(image(), table="another")), Class.FOREIGN),
        (data(record(image(request=None))), Class.FOREIGN),
        (b"\xff", Class.FOREIGN),
        (b"{}", Class.FOREIGN),
    ],
    ids=[
        "accepted", "redriven", "redriven, no old image", "counted", "waiting", "failed", "done", "removed",
        "another table", "no request", "no text", "no record",
    ],
)  # fmt: skip
def test_by_the_record_alone(payload: bytes, kind: Class | None) -> None:
    """Given what a consumer wouldn't run, the table needn't be asked."""
    assert class_of_record(parse(payload, TABLE)) is kind


@pytest.mark.parametrize(
    ("present", "kind"),
    [
        (None, Class.GONE),
        (image(accepted_at=ACCEPTED_AT_MS + 1, due_at=0), Class.SUPERSEDED),
        (image(status="done-a", ttl=1), Class.DONE),
        (image(status="done-a", ttl=NOW_MS // 1000 + 60), Class.DONE),
        (image(status="failed-a", error="x", due_at=0), Class.FAILED),
        (image(status="waiting-a", due_at=NOW_MS + 1), Class.WAITING),
        (image(status="waiting-a", due_at=NOW_MS), Class.WOULD_RUN),
        (image(due_at=NOW_MS - GRACE_MS + 1), Class.UNDER_WAY),
        (image(due_at=NOW_MS - GRACE_MS), Class.WOULD_RUN),
        (image(attempt=7, due_at=NOW_MS), Class.UNDER_WAY),
    ],
    ids=[
        "nothing", "another request", "done and expired", "done", "failed", "waiting", "waiting and due", "pending",
        "pending and overdue", "just redriven",
    ],
)  # fmt: skip
def test_by_the_item(present: Image | None, kind: Class) -> None:
    """Given the item, what the sweep would redrive would run, to the millisecond."""
    row = Row.from_item(present) if present is not None else None
    assert (row is None) is (present is None)
    assert class_of_request(state(), row, now_ms=NOW_MS, grace_ms=GRACE_MS) is kind


@pytest.mark.parametrize(
    ("identity", "by_hand"),
    [
        (None, True),
        ({"type": "Service", "principalId": "dynamodb.amazonaws.com"}, False),
        ({"type": "AssumedRole", "principalId": "AROA:ada"}, True),
    ],
)
def test_who_deleted_it(identity: dict[str, str] | None, by_hand: bool) -> None:
    """Given a deletion, it is told whether it was by time to live, and what the request was like at last."""
    last = image(status="done-a", ttl=5, attempt=3)

    told = removal(data(record(None, last) | {"userIdentity": identity}))

    assert told is not None
    assert (told.by_hand, told.type, told.attempt) == (by_hand, "orders", 3)


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b"\xff",
        data(record(None, image(request=None))),
        data(record(None, image(attempt="x"))),
        data(record(None, image() | {"accepted_at": {"N": "-1"}})),
        data(record(None, image() | {"type": {"S": 1}})),
    ],
)
def test_a_deletion_of_something_else(payload: bytes) -> None:
    """Given an image that is no request's, nothing is told."""
    assert removal(payload) is None

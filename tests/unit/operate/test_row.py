"""Requests as operators see them, from items and from rows of the index."""

from dropslot.operate.row import Row
from dropslot.operate.view import as_json, as_pairs
from tests.unit.core.images import ACCEPTED_AT_MS, image, state


def test_a_row_of_the_index_is_as_good_as_the_item() -> None:
    """Given what the index projects, the row is the item's, but for the count of starts."""
    item = image("role#orders#o-1", status="failed-c", error="busy", last_error="slow", attempt=2)
    projected = {name: item[name] for name in item if name not in {"status", "request", "content_type"}}

    row = Row.from_item(projected)

    assert row is not None
    assert row == Row.from_item(item)
    assert row.state == state(id="role#orders#o-1", status="failed", digit="c", settled=True, attempt=2)
    assert (row.caller, row.public_id, row.type) == ("role", "o-1", "orders")


def test_what_is_no_request_is_no_row() -> None:
    """Given a ghost, a foreign item or a strange number, there is no row."""
    assert Row.from_item({"id": {"S": "ghost"}, "ttl": {"N": "5"}}) is None
    assert Row.from_item({**image(), "status": {"S": "open"}}) is None
    assert Row.from_item({**image(), "due_at": {"N": "1.5"}}) is None


def test_nothing_a_client_sent_is_shown_unasked() -> None:
    """Given a request with a body, headers and a result, the views tell of their sizes alone."""
    item = image(request="secret-body", status="done-a", ttl=5, result='"secret-result"', content_type="text/plain")
    item["headers"] = {"M": {"X-Hub-Signature": {"S": "secret-header"}}}
    row = Row.from_item(item)

    assert row is not None
    shown = f"{as_json(row)} {as_pairs(row, item)}"
    assert "secret" not in shown
    assert ("body", "11 bytes, text/plain") in as_pairs(row, item)
    assert as_json(row)["accepted_at"] == ACCEPTED_AT_MS

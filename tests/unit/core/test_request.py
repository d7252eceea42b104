"""The request as a handler sees it."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot import Reject, Request
from dropslot.core.item import Accepted


def accepted(**fields: Any) -> Accepted:
    """Return what the API stored, with these fields replaced."""
    values: dict[str, Any] = {
        "id": "caller#one",
        "accepted_at": 1_760_000_000_123,
        "type": "orders",
        "body": "{}",
        "encoding": "",
        "content_type": "application/json",
        "headers": {"X-Event": "push"},
        **fields,
    }
    return Accepted(**values)


def test_it_carries_what_was_accepted() -> None:
    """Every field of the contract is there, the time aware and in UTC."""
    request = Request.from_accepted(accepted(body="hällo\u2028"), 3)
    assert request == Request(
        id="caller#one",
        type="orders",
        body="hällo\u2028",
        content_type="application/json",
        headers={"X-Event": "push"},
        accepted_at=datetime(2025, 10, 9, 8, 53, 20, 123_000, tzinfo=UTC),
        attempt=3,
    )


@given(st.binary())
def test_binary_bodies_arrive_as_the_bytes_that_were_sent(body: bytes) -> None:
    """Given base64 on the item, then the handler gets exact bytes."""
    stored = accepted(body=base64.b64encode(body).decode(), encoding="base64")
    assert Request.from_accepted(stored, 0).body == body


@pytest.mark.parametrize("body", ["%%%", "YQ", "YQ==\n", "é", "YQ=="[:3]])
def test_a_body_that_only_claims_to_be_base64_is_rejected(body: str) -> None:
    """Nobody wrote it through the API: it fails, it doesn't crash."""
    with pytest.raises(Reject, match="base64"):
        Request.from_accepted(accepted(body=body, encoding="base64"), 0)


@pytest.mark.parametrize(("body", "value"), [('{"a": [1]}', {"a": [1]}), ("null", None), ('"é"', "é")])
def test_json_bodies_decode(body: str, value: object) -> None:
    """From text and from bytes."""
    assert Request.from_accepted(accepted(body=body), 0).json() == value
    stored = accepted(body=base64.b64encode(body.encode()).decode(), encoding="base64")
    assert Request.from_accepted(stored, 0).json() == value


@pytest.mark.parametrize("body", ["", "{", "{} {}", "'a'", "[" * 100_000, "9" * 5_000])
def test_a_body_that_is_no_json_is_rejected_without_being_quoted(body: str) -> None:
    """No later attempt could read it either; the reason holds no payload."""
    with pytest.raises(Reject, match=r"^the body is not valid JSON$"):
        Request.from_accepted(accepted(body=body), 0).json()


def test_bytes_that_are_no_text_are_rejected() -> None:
    """Given invalid UTF-8, then json() rejects."""
    stored = accepted(body=base64.b64encode(b"\xff\xfe{}\x00").decode(), encoding="base64")
    with pytest.raises(Reject):
        Request.from_accepted(stored, 0).json()


def test_a_request_cannot_be_changed() -> None:
    """What a handler does to it can't reach its next attempt."""
    request = Request.from_accepted(accepted(), 0)
    with pytest.raises(AttributeError):
        request.body = "other"  # type: ignore[misc]

"""The answers: 202 only for what is stored and unsettled, and a JSON error that says what to do for anything else."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

REFUSALS = {
    "empty_body": 400,
    "bad_key": 400,
    "bad_request_id": 400,
    "body_too_large": 413,
    "encoded_body": 415,
    "other_charset": 415,
    "headers_too_large": 431,
    "unknown_id": 404,
    "no_steps": 404,
}


def _item(status: str, **values: str) -> dict[str, Any]:
    item = {"id": {"S": "AROA#orders#k"}, "status": {"S": status}, "accepted_at": {"N": "1700"}, "attempt": {"N": "2"}}
    return item | {name: {"S": value} for name, value in values.items()}


@pytest.mark.parametrize("status", ["pending", "waiting"])
def test_an_unsettled_request_is_202(api: Any, status: str) -> None:
    """Given an unsettled request, the answer is 202 with its place and when to ask, and shows no caller."""
    answered = api.accepted({"Attributes": _item(f"{status}-f")})
    assert answered.status == 202
    assert answered.headers == {"Location": "/orders/k", "Retry-After": "1"}
    assert answered.body == {"id": "k", "status": status}


def test_a_settled_request_is_200_with_its_outcome(api: Any) -> None:
    """Given a repeat of a settled request, the answer is 200 with error or result."""
    failed = api.accepted({"Attributes": _item("failed-0", error='it\'s "late"\n')})
    assert (failed.status, failed.body) == (200, {"id": "k", "status": "failed", "error": 'it\'s "late"\n'})
    done = api.accepted({"Attributes": _item("done-0", result='{"total": 1.50}')})
    assert (done.status, done.body) == (200, {"id": "k", "status": "done", "result": {"total": 1.5}})
    assert done.headers == {"Location": "/orders/k"}


@pytest.mark.parametrize(
    "answer", [{}, [], {"Attributes": {}}, {"Attributes": _item("odd-1")}, {"Attributes": _item("")}]
)
def test_an_answer_that_is_not_understood_is_no_202(api: Any, answer: object) -> None:
    """Given a success that holds no known status, the integration's own 500 stays."""
    answered = api.accepted(answer)
    assert answered.status is None
    assert answered.body["error"] == "internal"


def test_a_read_tells_the_state(api: Any) -> None:
    """Given an item, the answer holds its state, the result as JSON, and no body."""
    answered = api.found({"Item": _item("done-a", result="[1, null]")})
    expected = {"id": "k", "status": "done", "result": [1, None], "accepted_at": 1700, "attempt": 2}
    assert (answered.status, answered.body) == (200, expected)
    assert api.found({}).status == 404


@pytest.mark.parametrize(("code", "status"), REFUSALS.items())
def test_each_refusal_has_its_answer(api: Any, code: str, status: int) -> None:
    """Given DynamoDB's rejection of a refusal, the answer names it, in either spelling of the message."""
    text = f"Value provided in ExpressionAttributeNames unused in expressions: keys: {{#refused_{code}}}"
    for key in ("message", "Message"):
        answered = api.accepted({"__type": "com.amazon.coral.validate#ValidationException", key: text}, r"4\d{2}")
        assert (answered.status, answered.body["error"]) == (status, code)
        assert answered.body["message"]


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", 422, "key_reused"),
        ("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", 429, "throttled"),
        ("com.amazon.coral.availability#ThrottlingException", 429, "throttled"),
        ("com.amazonaws.dynamodb.v20120810#RequestLimitExceeded", 429, "throttled"),
        ("com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", 500, "internal"),
        ("com.amazon.coral.service#AccessDeniedException", 500, "internal"),
        ("com.amazon.coral.validate#ValidationException", 500, "internal"),
        ("", 500, "internal"),
    ],
)
def test_each_fault_has_its_answer(api: Any, kind: str, status: int, error: str) -> None:
    """Given a fault of DynamoDB, the answer says what to do and leaks no message of DynamoDB's."""
    answered = api.accepted({"__type": kind, "message": "secret arn {#refused_"}, r"4\d{2}")
    assert (answered.status, answered.body["error"]) == (status, error)
    assert "secret" not in answered.body["message"]
    assert ("Retry-After" in answered.headers) == (status == 429)


@given(kind=st.text(), message=st.text())
@settings(max_examples=100, deadline=None)
def test_no_fault_becomes_a_success(api: Any, kind: str, message: str) -> None:
    """Given any 400 of DynamoDB, the answer is never a success."""
    assert api.accepted({"__type": kind, "message": message}, r"4\d{2}").status >= 400


def test_other_statuses_are_errors(api: Any) -> None:
    """Given a 5xx or anything else, the answer is an error and sets nothing."""
    for pattern, error in ((r"5\d{2}", "unavailable"), ("default", "internal")):
        answered = api.accepted({"Attributes": _item("pending-0")}, pattern)
        assert (answered.status, answered.body["error"]) == (None, error)

"""The local gateway's reading of a document: which operation a request meets, and what it won't serve."""

import copy
from typing import Any

import pytest

from dropslot.api.access import with_auth, with_cors
from dropslot.api.loader import load
from dropslot.api.settings import ApiSettings, TypeSettings
from dropslot.core.errors import ConfigurationError
from dropslot.local.gateway.app import create_app
from dropslot.local.gateway.document import Document, media_type

RENDERED = load(
    ApiSettings(types={"orders": TypeSettings(binary_types=("application/pdf", "image/*"))}),
    table="requests",
    journal="journal",
    region="eu-west-1",
)


@pytest.mark.parametrize(
    ("method", "path", "parameters"),
    [
        ("PUT", "/orders", {}),
        ("POST", "/orders/", {}),
        ("PUT", "/%6frders", {}),
        ("GET", "/orders/a%23b", {"id": "a#b"}),
        ("GET", "/orders/a%2Fb", {"id": "a/b"}),
        ("GET", "/orders", None),
        ("DELETE", "/orders", None),
        ("GET", "/orders/a/b", None),
        ("GET", "/orders/a%23b/steps", {"id": "a#b"}),
        ("GET", "/orders/steps", {"id": "steps"}),
        ("PUT", "/orders/a/steps", None),
        ("PUT", "/", None),
        ("PUT", "//orders", None),
    ],
)
def test_a_request_meets_its_operation(method: str, path: str, parameters: dict[str, str] | None) -> None:
    """Given a method and a path as sent, the operation and the decoded parameters are found, or nothing."""
    found = Document.read(RENDERED).find(method, path)
    assert (found[1] if found is not None else None) == parameters


@pytest.mark.parametrize(
    ("status", "expected"), [(200, 500), (299, 500), (400, 500), (503, 503), (600, 500), (20, 500), (301, 500)]
)
def test_a_status_meets_its_response(status: int, expected: int) -> None:
    """Given any status of the store, the whole of it must match a pattern; anything else meets the default."""
    found = Document.read(RENDERED).find("PUT", "/orders")
    assert found is not None
    response = found[0].response_for(status)
    assert response is not None
    assert response.status == expected
    assert (response.pattern is None) == (status in {600, 20, 301})


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [(None, "application/json"), ("", "application/json"), ("Text/Plain; charset=utf-8", "text/plain"), ("x", "x")],
)
def test_a_content_type_is_its_media_type(content_type: str | None, expected: str) -> None:
    """Given a content type, case and parameters don't matter; none means JSON."""
    assert media_type(content_type) == expected


def test_binary_types_may_be_wild() -> None:
    """Given binary types with a wildcard, each media type under it is binary."""
    document = Document.read(RENDERED)
    assert document.is_binary("image/png")
    assert document.is_binary("application/pdf")
    assert not document.is_binary("application/json")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("type", "aws_proxy"),
        ("uri", "arn:aws:apigateway:eu-west-1:lambda:path/x"),
        ("uri", "arn:aws:apigateway:eu-west-1:s3:action/GetObject"),
        ("passthroughBehavior", "when_no_match"),
        ("requestTemplates", {"application/json": "#if($x)"}),
        ("requestParameters", {"integration.request.header.X": "method.request.header.X"}),
    ],
)
def test_what_can_not_be_served_is_said_at_once(key: str, value: Any) -> None:
    """Given an integration this gateway can't stand in for, it does not start."""
    document = copy.deepcopy(RENDERED)
    document["paths"]["/orders"]["put"]["x-amazon-apigateway-integration"][key] = value
    with pytest.raises(ConfigurationError):
        create_app(document, dynamodb_endpoint="http://127.0.0.1:1")


def test_a_mock_that_asks_for_a_caller_is_not_served() -> None:
    """Given a preflight with security, which no browser could pass, the gateway says so instead of letting all pass."""
    document = with_cors(with_auth(RENDERED, "iam"), "*")
    create_app(document, dynamodb_endpoint="http://127.0.0.1:1")
    options = document["paths"]["/orders"]["options"]
    options["security"] = document["paths"]["/orders"]["put"]["security"]
    with pytest.raises(ConfigurationError, match="mock"):
        create_app(document, dynamodb_endpoint="http://127.0.0.1:1")

"""What an API asks besides the HTTP contract."""

import copy
from typing import Any

import pytest
from openapi_spec_validator import validate

from dropslot.api.access import Auth, with_auth, with_cors
from dropslot.api.loader import load
from dropslot.api.settings import ApiSettings, TypeSettings

ORIGIN = "https://shop.example"


@pytest.fixture
def document() -> dict[str, Any]:
    """The contract for one type."""
    types = {"orders": TypeSettings(schema={"type": "object"}, content_types=("application/json",))}
    return load(ApiSettings(types=types), table="t", journal="j", region="us-east-1", role_arn="arn:aws:iam::1:role/r")


def test_pages_of_the_origin_can_read_every_answer(document: dict[str, Any]) -> None:
    """Given an origin, then all answers name it: accepted, refused by DynamoDB, and refused before any call."""
    changed = with_cors(document, ORIGIN)
    for path, item in changed["paths"].items():
        for method in set(item) - {"options"}:
            integration = item[method]["x-amazon-apigateway-integration"]
            for answer in integration["responses"].values():
                named = answer["responseParameters"]["method.response.header.Access-Control-Allow-Origin"]
                assert named == f"'{ORIGIN}'", path
            for answer in item[method]["responses"].values():
                assert "Access-Control-Allow-Origin" in answer["headers"], path
    for kind, answer in changed["x-amazon-apigateway-gateway-responses"].items():
        named = answer["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"]
        assert named == f"'{ORIGIN}'", kind
    throttled = changed["x-amazon-apigateway-gateway-responses"]["THROTTLED"]["responseParameters"]
    assert throttled["gatewayresponse.header.Retry-After"] == "'1'"


def test_a_preflight_needs_no_caller_and_allows_the_path_s_methods(document: dict[str, Any]) -> None:
    """Given auth and an origin, then a preflight is answered without credentials, with just the path's methods."""
    changed = with_cors(with_auth(document, "iam"), ORIGIN)
    allowed = {}
    for path, item in changed["paths"].items():
        assert "security" not in item["options"]
        headers = item["options"]["x-amazon-apigateway-integration"]["responses"]["default"]["responseParameters"]
        allowed[path] = headers["method.response.header.Access-Control-Allow-Methods"]
    assert allowed == {"/orders": "'POST,PUT'", "/orders/{id}": "'GET'", "/orders/{id}/steps": "'GET'"}


@pytest.mark.parametrize("auth", ["iam", "api_key", "cognito", "none"])
def test_the_document_stays_valid(document: dict[str, Any], auth: Auth) -> None:
    """Given any auth, then the document is still OpenAPI 3.0, and the one given is left as it was."""
    before = copy.deepcopy(document)
    validate(with_cors(with_auth(document, auth, user_pool_arn="arn"), "*"))
    assert document == before

"""The rendered document: valid OpenAPI, and what an import into API Gateway asks for."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import validate

from dropslot.api.loader import load
from dropslot.api.settings import ApiSettings, TypeSettings

SETTINGS = ApiSettings(
    types={
        "orders": TypeSettings(schema={"type": "object"}, content_types=("application/json",)),
        "web-hooks_2": TypeSettings(binary_types=("application/pdf", "image/png"), content_types=("text/plain",)),
    }
)


ROLE = "arn:aws:iam::111122223333:role/api"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Return the document of two types, one with a schema and one with binary bodies."""
    return load(SETTINGS, table="requests", journal="journal", region="eu-west-1", role_arn=ROLE)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    """Given any types, the document is valid OpenAPI 3.0 and plain JSON."""
    validate(document)
    validate(load(ApiSettings.default(), table="t", journal="j", region="us-east-1"))
    assert json.loads(json.dumps(document)) == document


def test_each_type_has_its_paths(document: dict[str, Any]) -> None:
    """Given two types, each has PUT and POST, and GET for its ids and their steps, each with an id of its own."""
    assert [(path, method) for path, method, _ in _operations(document)] == [
        ("/orders", "put"),
        ("/orders", "post"),
        ("/orders/{id}", "get"),
        ("/orders/{id}/steps", "get"),
        ("/web-hooks_2", "put"),
        ("/web-hooks_2", "post"),
        ("/web-hooks_2/{id}", "get"),
        ("/web-hooks_2/{id}/steps", "get"),
    ]
    ids = [operation["operationId"] for _, _, operation in _operations(document)]
    assert len(set(ids)) == len(ids)


def test_each_integration_is_complete(document: dict[str, Any]) -> None:
    """Given an integration, it calls DynamoDB with the role, passes nothing through and can't succeed by default."""
    for path, _, operation in _operations(document):
        integration = operation["x-amazon-apigateway-integration"]
        action = {"{id}": "GetItem", "steps": "Query"}.get(path.rpartition("/")[2], "UpdateItem")
        assert integration["uri"] == f"arn:aws:apigateway:eu-west-1:dynamodb:action/{action}"
        assert integration["credentials"] == ROLE
        assert integration["passthroughBehavior"] == "never"
        assert set(integration["responses"]) == {r"2\d{2}", r"4\d{2}", r"5\d{2}", "default"}
        for response in integration["responses"].values():
            assert response["statusCode"] in {"500", "503"}
            assert response["statusCode"] in operation["responses"]
            for parameter in response["responseParameters"]:
                header = parameter.removeprefix("method.response.header.")
                assert header in operation["responses"][response["statusCode"]]["headers"]
    default = load(SETTINGS, table="t", journal="j", region="r")
    assert all("credentials" not in op["x-amazon-apigateway-integration"] for _, _, op in _operations(default))


def test_no_placeholder_is_left(document: dict[str, Any]) -> None:
    """Given all templates, every placeholder of the loader was filled, and each fits API Gateway's 300 KB."""
    for _, _, operation in _operations(document):
        integration = operation["x-amazon-apigateway-integration"]
        responses = [
            text for answer in integration["responses"].values() for text in answer["responseTemplates"].values()
        ]
        for template in (*integration["requestTemplates"].values(), *responses):
            assert "%{" not in template
            assert len(template) < 300 * 1024


def test_each_table_is_where_its_calls_go(document: dict[str, Any]) -> None:
    """Given two tables, the steps are looked for in the journal, and nothing else is."""
    for path, _, operation in _operations(document):
        table = "journal" if path.endswith("/steps") else "requests"
        for template in operation["x-amazon-apigateway-integration"]["requestTemplates"].values():
            assert set(re.findall(r'"TableName": "(.*)"', template)) == {table}


def test_every_refusal_is_answered(document: dict[str, Any]) -> None:
    """Given the codes that requests can be refused with, the template of 400s knows each."""
    for _, _, operation in _operations(document):
        integration = operation["x-amazon-apigateway-integration"]
        answers = integration["responses"][r"4\d{2}"]["responseTemplates"]["application/json"]
        for template in integration["requestTemplates"].values():
            codes = re.findall(r'\$refused = "(\w+)"|#refused_(\w+)"', template)
            assert codes
            for code in filter(None, (first or second for first, second in codes)):
                assert f"'{{#refused_{code}}}'" in answers


def test_a_schema_becomes_a_model(document: dict[str, Any]) -> None:
    """Given a schema, its type has a model with a name API Gateway takes and a validator; another has neither."""
    orders = document["paths"]["/orders"]["put"]
    assert orders["requestBody"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/Bodyorders"}}
    }
    assert orders["x-amazon-apigateway-request-validator"] in document["x-amazon-apigateway-request-validators"]
    assert "x-amazon-apigateway-request-validator" not in document["paths"]["/web-hooks_2"]["put"]
    assert all(name.isalnum() for name in document["components"]["schemas"])


def test_binary_types_hold_for_the_whole_api(document: dict[str, Any]) -> None:
    """Given binary types, the document lists them and each has a template that marks the body."""
    assert document["x-amazon-apigateway-binary-media-types"] == ["application/pdf", "image/png"]
    templates = document["paths"]["/web-hooks_2"]["put"]["x-amazon-apigateway-integration"]["requestTemplates"]
    assert set(templates) == {"text/plain", "application/pdf", "image/png"}
    assert '"base64"' in templates["image/png"]
    assert '"base64"' not in templates["text/plain"]


def test_places_share_nothing(document: dict[str, Any]) -> None:
    """Given a change to one operation, no other changes with it."""
    copied = json.loads(json.dumps(document))
    changed = load(SETTINGS, table="requests", journal="journal", region="eu-west-1", role_arn=ROLE)
    changed["paths"]["/orders"]["put"]["x-amazon-apigateway-integration"]["responses"].clear()
    changed["paths"]["/orders"]["put"]["responses"].clear()
    assert changed["paths"]["/orders"]["post"] == copied["paths"]["/orders"]["post"]
    assert changed["paths"]["/web-hooks_2"] == copied["paths"]["/web-hooks_2"]

"""Rendering the API's templates with the gateway's engine, without any server."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from dropslot.api.loader import load
from dropslot.api.settings import ApiSettings, TypeSettings
from dropslot.local.gateway.template import Template
from dropslot.local.gateway.variables import Input, namespace, request_context

TYPE = "orders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A rendered DynamoDB call."""

    call: Mapping[str, Any]

    @property
    def refusal(self) -> str | None:
        """The refusal it stands for, if it is one."""
        (name, *others) = self.call["ExpressionAttributeNames"]
        return name.removeprefix("#refused_") if not others and name.startswith("#refused_") else None

    @property
    def client_id(self) -> str:
        """The part of the id that the client sees."""
        return self._id.rpartition("#")[2]

    @property
    def caller(self) -> str:
        """The part of the id before the type."""
        caller, type_name, _ = self._id.split("#")
        assert type_name == TYPE
        return caller

    def value(self, name: str) -> Any:  # noqa: D102 - the value of an expression
        (value,) = self.call["ExpressionAttributeValues"][name].values()
        return value

    @property
    def _id(self) -> str:
        return str(self.call["Key"]["id"]["S"] if "Key" in self.call else self.value(":id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a response template made of an answer."""

    status: int | None
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class Api:
    """The templates of one type."""

    def __init__(self, settings: TypeSettings) -> None:
        document = load(ApiSettings(types={TYPE: settings}), table="requests", journal="journal", region="eu-west-1")
        self._accept = document["paths"][f"/{TYPE}"]["put"]["x-amazon-apigateway-integration"]
        self._status = document["paths"][f"/{TYPE}/{{id}}"]["get"]["x-amazon-apigateway-integration"]
        self._steps = document["paths"][f"/{TYPE}/{{id}}/steps"]["get"]["x-amazon-apigateway-integration"]
        self._templates: dict[str, Template] = {}

    def accept(
        self, body: str, headers: Mapping[str, str] | None = None, media: str = "application/json", **context: Any
    ) -> Call:
        """Render the call that accepts a request."""
        seen = {"requestId": "c0ffee-1", "requestTimeEpoch": 1_700_000_000_000, "identity": {}, **context}
        return self._call(self._accept["requestTemplates"][media], body, {}, headers or {}, seen)

    def status(self, client_id: str, **context: Any) -> Call:
        """Render the call that reads a request."""
        template = self._status["requestTemplates"]["application/json"]
        return self._call(template, "", {"id": client_id}, {}, {"identity": {}, **context})

    def steps(self, client_id: str, **context: Any) -> Call:
        """Render the call that looks for the steps of a request."""
        template = self._steps["requestTemplates"]["application/json"]
        return self._call(template, "", {"id": client_id}, {}, {"identity": {}, **context})

    def accepted(self, answer: object, pattern: str = r"2\d{2}", **context: Any) -> Answered:
        """Render the answer to an accept."""
        return self._answer(self._accept, pattern, answer, context)

    def found(self, answer: object, pattern: str = r"2\d{2}", **context: Any) -> Answered:
        """Render the answer to a read."""
        return self._answer(self._status, pattern, answer, context)

    def walked(self, answer: object, pattern: str = r"2\d{2}", **context: Any) -> Answered:
        """Render the answer to a look for steps."""
        return self._answer(self._steps, pattern, answer, context)

    def _call(
        self, template: str, body: str, path: Mapping[str, str], headers: Mapping[str, str], context: Mapping[str, Any]
    ) -> Call:
        params = {"path": path, "querystring": {"Idempotency-Key": "from-the-query"}, "header": headers}
        text = self._parsed(template).render(namespace(Input(body, params), request_context(**context)))
        return Call(call=json.loads(text))

    def _answer(
        self, integration: Mapping[str, Any], pattern: str, answer: object, given: Mapping[str, Any]
    ) -> Answered:
        seen = {"path": f"/{TYPE}", "requestId": "c0ffee-1", "requestTimeEpoch": 1_700_000_000_000, **given}
        context = request_context(**seen)
        source = Input(json.dumps(answer), {"path": {}, "querystring": {}, "header": {}})
        template = integration["responses"][pattern]["responseTemplates"]["application/json"]
        text = self._parsed(template).render(namespace(source, context))
        override = context["responseOverride"]
        return Answered(status=override.get("status"), headers=override["header"], body=json.loads(text))

    def _parsed(self, text: str) -> Template:
        return self._templates.setdefault(text, Template(text))


@pytest.fixture(scope="session")
def api() -> Api:
    """A type that takes text and one binary type, with a second key header and two kept headers."""
    return Api(
        TypeSettings(
            content_types=("application/json", "text/plain"),
            binary_types=("application/pdf",),
            idempotency_headers=("Idempotency-Key", "X-Delivery"),
            kept_headers=("X-Event", "X-Signature", "traceparent"),
        )
    )

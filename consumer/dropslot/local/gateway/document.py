"""An OpenAPI document with API Gateway's extensions, read into operations that can be served."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import unquote

from jsonschema import Draft4Validator

from dropslot.core.errors import ConfigurationError
from dropslot.local.gateway.gateway_responses import GatewayResponses
from dropslot.local.gateway.security import Proof, read_security
from dropslot.local.gateway.template import Template, TemplateError

_METHODS: Final = ("get", "put", "post", "delete", "patch", "head", "options")
_ACTION_URI: Final = re.compile(r"arn:[^:]*:apigateway:(?P<region>[^:]*):(?P<service>[a-z0-9]+):action/(?P<action>\w+)")
_STATIC_HEADER: Final = re.compile(r"(?:integration\.request|method\.response)\.header\.([\w-]+)")
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationResponse:
    """What becomes of an answer whose status matches `pattern`; None matches what nothing else does."""

    pattern: re.Pattern[str] | None
    status: int
    headers: Mapping[str, str]
    template: Template | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The action of an AWS service that an operation calls.

    Args:
        service: such as ``dynamodb``.
        action: such as ``GetItem``.
        region: of the service.
        timeout_seconds: how long it may take.
        headers: sent along.
    """

    service: str
    action: str
    region: str
    timeout_seconds: float
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path, with the call behind it; a mock has no target, its template names the status."""

    resource_path: str
    method: str
    proof: Proof | None
    target: Target | None
    converts_to_text: bool
    templates: Mapping[str, Template]
    responses: tuple[IntegrationResponse, ...]
    models: Mapping[str, Draft4Validator]

    def response_for(self, status: int) -> IntegrationResponse | None:
        """Return the response whose pattern matches the whole status, else the default one."""
        default = None
        for response in self.responses:
            if response.pattern is None:
                default = response
            elif response.pattern.fullmatch(str(status)):
                return response
        return default


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """All that the gateway serves."""

    operations: Mapping[tuple[str, ...], Mapping[str, Operation]]
    responses: GatewayResponses
    binary_types: tuple[str, ...]

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read a decoded document.

        Raises:
            ConfigurationError: it holds something that this gateway can't serve; all faults are named.
        """
        faults: list[str] = []
        operations: dict[tuple[str, ...], dict[str, Operation]] = {}
        for path, item in document["paths"].items():
            for method in _METHODS:
                if method not in item:
                    continue
                try:
                    operation = _operation(document, path, method, item[method])
                except (KeyError, ValueError, TemplateError) as error:
                    faults.append(f"{method.upper()} {path}: {error}")
                else:
                    operations.setdefault(_segments(path), {})[method.upper()] = operation
        if faults:
            raise ConfigurationError(*faults)
        return cls(
            operations=operations,
            responses=GatewayResponses(document.get("x-amazon-apigateway-gateway-responses", {})),
            binary_types=tuple(document.get("x-amazon-apigateway-binary-media-types", ())),
        )

    def find(self, method: str, raw_path: str) -> tuple[Operation, dict[str, str]] | None:
        """Return the operation for a request and its path parameters; a literal path wins over a parameter."""
        segments = _segments(raw_path)
        best: tuple[int, Operation, dict[str, str]] | None = None
        for pattern, methods in self.operations.items():
            operation = methods.get(method)
            if operation is None or len(pattern) != len(segments):
                continue
            parameters = {}
            for expected, segment in zip(pattern, segments, strict=True):
                if expected.startswith("{"):
                    parameters[expected[1:-1]] = unquote(segment)
                elif expected != unquote(segment):
                    break
            else:
                if best is None or len(parameters) < best[0]:
                    best = len(parameters), operation, parameters
        return None if best is None else best[1:]

    def is_binary(self, media_type: str) -> bool:
        """Tell whether bodies of a media type are bytes rather than text."""
        main = media_type.split("/", maxsplit=1)[0]
        return any(listed in {media_type, f"{main}/*", "*/*"} for listed in self.binary_types)


def media_type(content_type: str | None) -> str:
    """Return a content type without parameters and in lower case; API Gateway takes a missing one as JSON."""
    return (content_type or _JSON).partition(";")[0].strip().lower()


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.removeprefix("/").removesuffix("/").split("/"))


def _operation(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Operation:
    integration = operation["x-amazon-apigateway-integration"]
    if integration.get("passthroughBehavior") != "never":
        raise ValueError("only passthroughBehavior never can be served")
    proof, target = read_security(document, operation), _target(integration)
    if proof is not None and target is None:
        raise ValueError("a mock that asks for a caller can't be served")
    return Operation(
        resource_path=path,
        method=method.upper(),
        proof=proof,
        target=target,
        converts_to_text=integration.get("contentHandling") == "CONVERT_TO_TEXT",
        templates={name: Template(text) for name, text in integration.get("requestTemplates", {}).items()},
        responses=tuple(_response(pattern, response) for pattern, response in integration["responses"].items()),
        models=_models(document, operation),
    )


def _target(integration: Mapping[str, Any]) -> Target | None:
    if integration["type"] == "mock":
        return None
    uri = _ACTION_URI.fullmatch(integration["uri"])
    if integration["type"] != "aws" or uri is None:
        raise ValueError("only mocks and integrations of type aws with an action's URI can be served")
    return Target(
        service=uri["service"],
        action=uri["action"],
        region=uri["region"],
        timeout_seconds=integration.get("timeoutInMillis", 29_000) / 1000,
        headers=_static_headers(integration.get("requestParameters", {})),
    )


def _response(pattern: str, response: Mapping[str, Any]) -> IntegrationResponse:
    template = response.get("responseTemplates", {}).get(_JSON)
    return IntegrationResponse(
        pattern=None if pattern == "default" else re.compile(pattern),
        status=int(response["statusCode"]),
        headers=_static_headers(response.get("responseParameters", {})),
        template=None if template is None else Template(template),
    )


def _static_headers(parameters: Mapping[str, str]) -> dict[str, str]:
    headers = {}
    for name, value in parameters.items():
        header = _STATIC_HEADER.fullmatch(name)
        if header is None or not (value.startswith("'") and value.endswith("'")):
            raise ValueError(f"only headers with a fixed value can be served, not {name}: {value}")
        headers[header[1]] = value[1:-1]
    return headers


def _models(document: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, Draft4Validator]:
    validators = document.get("x-amazon-apigateway-request-validators", {})
    chosen = operation.get(
        "x-amazon-apigateway-request-validator", document.get("x-amazon-apigateway-request-validator")
    )
    if chosen is None or not validators[chosen].get("validateRequestBody"):
        return {}
    models = {}
    for name, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = content.get("schema")
        if schema is not None:
            # References are resolved against the whole document.
            models[name] = Draft4Validator({**schema, "components": document.get("components", {})})
    return models

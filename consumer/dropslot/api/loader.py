"""Renders the OpenAPI document for the configured types: what API Gateway imports and the local gateway serves."""

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import yaml

from dropslot.api.settings import ApiSettings, TypeSettings
from dropslot.core import names

#: Cap on the kept headers and the content type of a request, JSON-escaped: with a body at its own cap both images of
#: the item and an outcome still fit one 1 MB change record.
HEADERS_MAX_ESCAPED_CHARS: Final = 8 * 1024
#: Base64 without padding has ceil(4 n / 3) characters for n bytes: it grows with every byte.
_BODY_MAX_UNPADDED_BASE64_CHARS: Final = (names.BODY_MAX_BYTES * 4 + 2) // 3

_ACCEPT_PATH: Final = "/{type}"
_STATUS_PATH: Final = "/{type}/{id}"
_STEPS_PATH: Final = "/{type}/{id}/steps"
_PLACEHOLDER: Final = re.compile(r"%\{([a-z0-9_]+)\}")


def load(
    settings: ApiSettings,
    *,
    table: str,
    journal: str,
    region: str,
    role_arn: str | None = None,
    partition: str = "aws",
) -> dict[str, Any]:
    """Render the document.

    Args:
        settings: the types, and what each accepts.
        table: name of the DynamoDB table of requests.
        journal: name of the DynamoDB table of finished steps.
        region: AWS region of the tables.
        role_arn: role that API Gateway assumes to call DynamoDB; the local gateway needs none.
        partition: AWS partition of the region.

    Returns:
        OpenAPI 3.0 with API Gateway's extensions, JSON-serialisable, sharing nothing with `settings`.
    """
    # YAML anchors make one object appear in several places; through JSON each place gets its own.
    document: dict[str, Any] = json.loads(json.dumps(yaml.safe_load(_text("openapi.yaml"))))
    accept_path = document["paths"].pop(_ACCEPT_PATH)
    status_path = document["paths"].pop(_STATUS_PATH)
    steps_path = document["paths"].pop(_STEPS_PATH)
    integration_uri = f"arn:{partition}:apigateway:{region}:dynamodb:action/"
    for name, type_settings in settings.types.items():
        values = _values(table, journal, name, type_settings)
        accept = _Integration(
            uri=integration_uri + "UpdateItem",
            role_arn=role_arn,
            request=_text("accept.vtl"),
            success=_text("accepted.vtl"),
            values=values,
        )
        status = _Integration(
            uri=integration_uri + "GetItem",
            role_arn=role_arn,
            request=_text("status.vtl"),
            success=_text("found.vtl"),
            values=values,
        )
        steps = _Integration(
            uri=integration_uri + "Query",
            role_arn=role_arn,
            request=_text("steps.vtl"),
            success=_text("journal.vtl"),
            values=values,
        )
        model = _add_model(document, name, type_settings)
        path = document["paths"][f"/{name}"] = copy.deepcopy(accept_path)
        for method, operation in path.items():
            operation["operationId"] = f"{method}_{name}"
            operation["parameters"] = _header_parameters(type_settings)
            operation["requestBody"] = _request_body(type_settings, model)
            if model is None:
                # It would ask for a model and find none.
                del operation["x-amazon-apigateway-request-validator"]
            accept.complete(operation, text=type_settings.content_types, binary=type_settings.binary_types)
        # A GET has no body, but some clients send the content type of their last one.
        text = ("application/json", *type_settings.content_types)
        for place, template, read, operation_id in (
            (f"/{name}/{{id}}", status_path, status, f"get_{name}"),
            (f"/{name}/{{id}}/steps", steps_path, steps, f"steps_{name}"),
        ):
            path = document["paths"][place] = copy.deepcopy(template)
            path["get"]["operationId"] = operation_id
            read.complete(path["get"], text=text, binary=type_settings.binary_types)
    binary = sorted({media for type_settings in settings.types.values() for media in type_settings.binary_types})
    if binary:
        document["x-amazon-apigateway-binary-media-types"] = binary
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class _Integration:
    """The DynamoDB call behind an operation."""

    uri: str
    role_arn: str | None
    request: str
    success: str
    values: Mapping[str, str]

    def complete(self, operation: dict[str, Any], *, text: tuple[str, ...], binary: tuple[str, ...]) -> None:
        integration = operation["x-amazon-apigateway-integration"]
        integration["uri"] = self.uri
        if self.role_arn is not None:
            integration["credentials"] = self.role_arn
        integration["requestTemplates"] = {
            **{media: _render(self.request, {**self.values, **_TEXT}) for media in text},
            **{media: _render(self.request, {**self.values, **_BINARY}) for media in binary},
        }
        templates = {r"2\d{2}": self.success, r"4\d{2}": _text("refused.vtl"), r"5\d{2}": _text("unavailable.vtl")}
        for pattern, response in integration["responses"].items():
            template = templates.get(pattern, _text("unknown.vtl"))
            response["responseTemplates"] = {"application/json": _render(template, self.values)}


# A text body and a binary one can have the same stored text, so the encoding is part of what must be the same.
_TEXT: Final = {"set_encoding": "", "encoding_value": "", "same_encoding": "attribute_not_exists(#encoding)"}
_BINARY: Final = {
    "set_encoding": ", #encoding = if_not_exists(#encoding, :encoding)",
    "encoding_value": f',\n    ":encoding": {{"S": "{names.BASE64}"}}',
    "same_encoding": "#encoding = :encoding",
}


def _values(table: str, journal: str, name: str, settings: TypeSettings) -> dict[str, str]:
    return {
        "table": json.dumps(table)[1:-1],
        "journal": json.dumps(journal)[1:-1],
        "type": name,
        "caller": _text("caller.vtl"),
        "retry_after": _text("retry_after.vtl"),
        "key_headers": json.dumps([header.lower() for header in settings.idempotency_headers]),
        "kept_headers": json.dumps([[header, header.lower()] for header in settings.kept_headers]),
        "body_max_bytes": str(names.BODY_MAX_BYTES),
        "body_max_unpadded_base64_chars": str(_BODY_MAX_UNPADDED_BASE64_CHARS),
        "body_max_escaped_chars": str(names.BODY_MAX_ESCAPED_BYTES),
        "headers_max_escaped_chars": str(HEADERS_MAX_ESCAPED_CHARS),
    }


def _text(file: str) -> str:
    return resources.files("dropslot.api").joinpath(file).read_text(encoding="utf-8")


def _render(template: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def _add_model(document: dict[str, Any], name: str, settings: TypeSettings) -> str | None:
    if settings.schema is None:
        return None
    # Models are named with letters and digits only; type names hold no capital letter, so no two models meet.
    model = "Body" + name.replace("-", "X2d").replace("_", "X5f")
    document["components"]["schemas"][model] = copy.deepcopy(dict(settings.schema))
    return model


def _request_body(settings: TypeSettings, model: str | None) -> dict[str, Any]:
    # Without a schema there is no model to import; a media type object may be empty.
    media_type = {} if model is None else {"schema": {"$ref": f"#/components/schemas/{model}"}}
    return {
        "required": True,
        "content": {media: dict(media_type) for media in (*settings.content_types, *settings.binary_types)},
    }


def _header_parameters(settings: TypeSettings) -> list[dict[str, Any]]:
    return [
        {"name": header, "in": "header", "required": False, "schema": {"type": "string"}}
        for header in settings.idempotency_headers
    ]

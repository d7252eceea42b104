"""JSON Schemas for request bodies, held to what API Gateway and a local check both understand."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft4Validator
from jsonschema.exceptions import SchemaError

#: Keywords that mean the same in JSON Schema draft 4, in OpenAPI 3.0 and in API Gateway's import.
_SUPPORTED: Final = frozenset(
    {
        "additionalProperties", "allOf", "anyOf", "default", "description", "enum", "format", "items", "maxLength",
        "maxProperties", "maximum", "minLength", "minProperties", "minimum", "multipleOf", "not", "oneOf", "pattern",
        "properties", "required", "title", "type", "uniqueItems",
    }
)  # fmt: skip
#: They name the dialect or the document and check nothing.
_DROPPED: Final = frozenset({"$schema", "$id", "id", "$comment"})
_REASONS: Final = {
    "$ref": "write the referenced schema in its place",
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
    "minItems": "API Gateway doesn't check it after an import; check it in the handler",
    "maxItems": "API Gateway doesn't check it after an import; check it in the handler",
    "exclusiveMinimum": "API Gateway doesn't support it; check it in the handler",
    "exclusiveMaximum": "API Gateway doesn't support it; check it in the handler",
    "const": "it is newer than draft 4; use enum with one value",
}


def read_schema(path: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """Read a schema file.

    Returns:
        The schema without the keywords that only name it, or None, and one sentence for each fault.
    """
    try:
        decoded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return None, [f"can't be read as JSON: {error}"]
    if not isinstance(decoded, dict):
        return None, ["must be a JSON object"]
    schema = {key: value for key, value in decoded.items() if key not in _DROPPED}
    faults = list(_unsupported(schema, "$"))
    try:
        Draft4Validator.check_schema(schema)
    except SchemaError as error:
        faults.append(f"is no draft 4 schema: {error.message} at {error.json_path}")
    return schema, faults


def _unsupported(schema: object, place: str) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    for keyword, value in schema.items():
        here = f"{place}.{keyword}"
        if keyword not in _SUPPORTED:
            yield f"{here} is not supported: {_REASONS.get(keyword, 'leave it out and check it in the handler')}"
        elif keyword == "type" and not isinstance(value, str):
            yield f"{here} must be one type; use anyOf for several"
        elif keyword == "items" and not isinstance(value, Mapping):
            yield f"{here} must be one schema for all items"
        else:
            for inner, inner_place in _inner_schemas(keyword, value, here):
                yield from _unsupported(inner, inner_place)


def _inner_schemas(keyword: str, value: object, here: str) -> Iterator[tuple[object, str]]:
    if keyword == "properties" and isinstance(value, Mapping):
        for name, inner in value.items():
            yield inner, f"{here}.{name}"
    elif keyword in {"allOf", "anyOf", "oneOf"} and isinstance(value, list):
        for index, inner in enumerate(value):
            yield inner, f"{here}[{index}]"
    elif keyword in {"additionalProperties", "items", "not"}:
        yield value, here

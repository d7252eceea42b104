"""Settings of the API: each fault is named, and all at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from dropslot.api.settings import ApiSettings
from dropslot.core.errors import ConfigurationError


def _faults(mapping: dict[str, Any], folder: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        ApiSettings.from_mapping(mapping, folder=folder)
    return caught.value.faults


def test_without_a_file_there_is_one_type(tmp_path: Path) -> None:
    """Given no file, or one without types, `requests` is served and takes JSON, forms and text."""
    (tmp_path / "empty.toml").write_text("")
    for settings in (ApiSettings.load(tmp_path / "none.toml"), ApiSettings.load(tmp_path / "empty.toml")):
        assert list(settings.types) == ["requests"]
        assert "text/plain" in settings.types["requests"].content_types


def test_a_file_is_read(tmp_path: Path) -> None:
    """Given a full file, every setting is there; the standard key comes first and traceparent is always kept."""
    (tmp_path / "order.json").write_text(json.dumps({"$schema": "x", "type": "object"}))
    (tmp_path / "dropslot.toml").write_text(
        """
        [types.orders]
        schema = "order.json"
        [types.hooks]
        idempotency_headers = ["X-Delivery", "idempotency-key"]
        kept_headers = ["X-Event", "x-event"]
        content_types = ["application/json"]
        binary_types = ["application/pdf"]
        """
    )
    settings = ApiSettings.load(tmp_path / "dropslot.toml")
    assert settings.types["orders"].schema == {"type": "object"}
    assert settings.types["orders"].content_types == ("application/json",)
    assert settings.types["hooks"].idempotency_headers == ("Idempotency-Key", "X-Delivery")
    assert settings.types["hooks"].kept_headers == ("X-Event", "traceparent")
    assert settings.types["hooks"].binary_types == ("application/pdf",)


def test_the_projects_own_file_is_valid() -> None:
    """Given the file this repository ships, it has no fault."""
    assert set(ApiSettings.load(Path(__file__).parents[3] / "dropslot.toml").types) == {"orders", "webhooks"}


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ({"shcema": "x"}, "has no setting shcema"),
        ({"schema": "absent.json"}, "can't be read as JSON"),
        ({"schema": 3}, "must be the path"),
        ({"kept_headers": "X-Event"}, "must be a list"),
        ({"kept_headers": ["X Event"]}, "not a header name"),
        ({"kept_headers": ["Authorization"]}, "a secret"),
        ({"kept_headers": [f"X-{number}" for number in range(16)]}, "keeps 17 headers"),
        ({"idempotency_headers": ['a"b']}, "not a header name"),
        ({"content_types": ["json"]}, "not a media type"),
        ({"content_types": []}, "accepts no content type"),
        ({"binary_types": ["text/plain"]}, "one API can't do both"),
        (7, "must be a table"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, table: Any, part: str) -> None:
    """Given one fault, the error names the type and what is wrong."""
    (fault,) = _faults({"types": {"orders": table}}, tmp_path)
    assert fault.startswith("[types.orders]")
    assert part in fault


@pytest.mark.parametrize(
    ("schema", "part"),
    [
        ({"$ref": "#/definitions/x"}, "write the referenced schema in its place"),
        ({"properties": {"a": {"minItems": 1}}}, "$.properties.a.minItems is not supported"),
        ({"anyOf": [{"const": 1}]}, "$.anyOf[0].const"),
        ({"type": ["string", "null"]}, "must be one type"),
        ({"items": [{}]}, "must be one schema for all items"),
        ({"required": "a"}, "is no draft 4 schema"),
        ([], "must be a JSON object"),
    ],
)
def test_schemas_hold_what_api_gateway_checks(tmp_path: Path, schema: Any, part: str) -> None:
    """Given a schema that API Gateway would refuse or check differently, the error says where and what to do."""
    (tmp_path / "s.json").write_text(json.dumps(schema))
    assert part in "; ".join(_faults({"types": {"orders": {"schema": "s.json"}}}, tmp_path))


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    """Given several faults in several places, the error names all."""
    faults = _faults({"table": 1, "types": {"Bad": {}, "orders": {"x": 1, "kept_headers": 1}}}, tmp_path)
    assert len(faults) == 4


def test_a_broken_file_is_a_fault(tmp_path: Path) -> None:
    """Given a file that is no TOML, the error says so."""
    (tmp_path / "dropslot.toml").write_text("types = ")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        ApiSettings.load(tmp_path / "dropslot.toml")


def test_a_schema_checks_json_only(tmp_path: Path) -> None:
    """Given a schema and a type of body it can't check, the error says so."""
    (tmp_path / "s.json").write_text('{"type": "object"}')
    (fault,) = _faults({"types": {"o": {"schema": "s.json", "content_types": ["text/plain"]}}}, tmp_path)
    assert "can check JSON only" in fault

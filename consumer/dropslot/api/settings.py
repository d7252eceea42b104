"""What the API accepts, read from `dropslot.toml` once and checked as a whole."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from dropslot.api.schema import read_schema
from dropslot.core.errors import ConfigurationError

DEFAULT_TYPE: Final = "requests"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
#: Kept for every type: without it a trace ends at the edge.
TRACEPARENT: Final = "traceparent"
#: The item has room for the kept headers of a request only up to a limit; nobody needs more of them.
KEPT_HEADERS_MAX: Final = 16

_JSON: Final = "application/json"
_WITHOUT_SCHEMA: Final = (_JSON, "application/x-www-form-urlencoded", "text/plain")
_TYPE: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_HEADER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")
_SECRET_HEADERS: Final = frozenset(
    {"authorization", "cookie", "proxy-authorization", "x-amz-security-token", "x-api-key"}
)
_KEYS: Final = ("schema", "idempotency_headers", "kept_headers", "content_types", "binary_types")


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeSettings:
    """One type of request: one path of the API.

    Args:
        schema: JSON Schema (draft 4) that a body must meet at the edge, or None.
        idempotency_headers: headers that may carry the key, the first present wins.
        kept_headers: headers stored with the request, spelled as the handler will look them up.
        content_types: media types whose bodies are stored as text.
        binary_types: media types whose bodies are stored as base64.
    """

    schema: Mapping[str, Any] | None = None
    idempotency_headers: tuple[str, ...] = (IDEMPOTENCY_KEY,)
    kept_headers: tuple[str, ...] = (TRACEPARENT,)
    content_types: tuple[str, ...] = _WITHOUT_SCHEMA
    binary_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """All types of request the API accepts, by name."""

    types: Mapping[str, TypeSettings]

    @classmethod
    def default(cls) -> Self:
        """Return the settings that hold when there is no file: one type, `requests`, of any JSON, text or form."""
        return cls(types={DEFAULT_TYPE: TypeSettings()})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file; a file that isn't there means the default settings.

        Raises:
            ConfigurationError: with one sentence for each fault.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls.default()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} can't be read: {error}") from error
        try:
            mapping = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
        return cls.from_mapping(mapping, folder=path.parent)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, folder: Path) -> Self:
        """Check decoded settings.

        Args:
            mapping: ``{"types": {name: {key: value}}}``; without types the default one is served.
            folder: what relative schema paths are relative to.

        Raises:
            ConfigurationError: with one sentence for each fault.
        """
        faults = [
            f"{key} is not a setting of the API; the only one is [types.<name>]" for key in mapping if key != "types"
        ]
        tables = mapping.get("types", {})
        if not isinstance(tables, Mapping):
            raise ConfigurationError(*faults, "types must be tables: [types.<name>]")
        types: dict[str, TypeSettings] = {}
        for name, table in tables.items():
            reader = _TypeReader(name, table, folder)
            types[name] = reader.read()
            faults += reader.faults
        faults += _binary_conflicts(types)
        if faults:
            raise ConfigurationError(*faults)
        return cls(types=types) if types else cls.default()


class _TypeReader:
    """Reads one table and collects its faults."""

    def __init__(self, name: str, table: object, folder: Path) -> None:
        self.faults: list[str] = []
        self._name = name
        self._folder = folder
        self._table: Mapping[str, Any] = table if isinstance(table, Mapping) else {}
        if table is not self._table:
            self._fault("must be a table")

    def read(self) -> TypeSettings:
        if not _TYPE.fullmatch(self._name):
            self._fault("is not a name for a type: use a-z first, then a-z, 0-9, _ and -, 64 characters at most")
        for key in self._table:
            if key not in _KEYS:
                self._fault(f"has no setting {key}; known are {', '.join(_KEYS)}")
        schema = self._schema()
        keys = self._strings("idempotency_headers", _HEADER, "a header name")
        kept = self._strings("kept_headers", _HEADER, "a header name")
        content_types = self._strings("content_types", _MEDIA_TYPE, "a media type such as application/json")
        binary_types = self._strings("binary_types", _MEDIA_TYPE, "a media type such as application/pdf")
        if content_types is None:
            content_types = (_JSON,) if schema is not None else _WITHOUT_SCHEMA
        kept = _distinct((*(kept if kept is not None else ()), TRACEPARENT))
        self._check_kept(kept)
        binary_types = binary_types if binary_types is not None else ()
        if not content_types and not binary_types and not self.faults:
            self._fault("accepts no content type: name one in content_types or binary_types")
        if schema is not None:
            for media_type in (*content_types, *binary_types):
                if media_type in binary_types or not (media_type == _JSON or media_type.endswith("+json")):
                    self._fault(
                        f"has a schema, which can check JSON only, and accepts {media_type}: remove one of them"
                    )
        return TypeSettings(
            schema=schema,
            idempotency_headers=_distinct((IDEMPOTENCY_KEY, *(keys if keys is not None else ()))),
            kept_headers=kept,
            content_types=content_types,
            binary_types=binary_types,
        )

    def _schema(self) -> Mapping[str, Any] | None:
        value = self._table.get("schema")
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            self._fault("schema must be the path of a JSON file")
            return None
        schema, faults = read_schema(self._folder / value)
        for fault in faults:
            self._fault(f"schema {value}: {fault}")
        return schema

    def _strings(self, key: str, pattern: re.Pattern[str], noun: str) -> tuple[str, ...] | None:
        value = self._table.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            self._fault(f"{key} must be a list of strings")
            return ()
        good = []
        for entry in value:
            if isinstance(entry, str) and pattern.fullmatch(entry):
                good.append(entry)
            else:
                self._fault(f"{key} holds {entry!r}, which is not {noun}")
        return _distinct(tuple(good))

    def _check_kept(self, kept: tuple[str, ...]) -> None:
        if len(kept) > KEPT_HEADERS_MAX:
            self._fault(f"keeps {len(kept)} headers (with {TRACEPARENT}); {KEPT_HEADERS_MAX} are the most")
        for header in kept:
            if header.lower() in _SECRET_HEADERS:
                self._fault(f"kept_headers holds {header}, a secret that must not be stored with the request")

    def _fault(self, text: str) -> None:
        self.faults.append(f"[types.{self._name}] {text}")


def _distinct(headers: tuple[str, ...]) -> tuple[str, ...]:
    seen: dict[str, str] = {}
    for header in headers:
        seen.setdefault(header.lower(), header)
    return tuple(seen.values())


def _binary_conflicts(types: Mapping[str, TypeSettings]) -> list[str]:
    """Name media types that are text here and binary there: API Gateway knows one list for the whole API."""
    text = {media_type: name for name, settings in types.items() for media_type in settings.content_types}
    return [
        f"[types.{name}] binary_types holds {media_type}, which [types.{text[media_type]}] takes as text: "
        "one API can't do both, choose one for all types"
        for name, settings in types.items()
        for media_type in settings.binary_types
        if media_type in text
    ]

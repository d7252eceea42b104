"""The variables a mapping template sees: `$input`, `$util`, `$context` and `$stageVariables`."""

import json
from collections.abc import Mapping
from typing import Any, Final

from dropslot.local.gateway import strings
from dropslot.local.gateway.json_path import select
from dropslot.local.gateway.strings import JavaString, java_values


class Input:
    """`$input`: a payload and the parameters of the request.

    Args:
        body: the payload as text; base64 for a binary one.
        params: ``path``, ``querystring`` and ``header``, each name to value.
    """

    def __init__(self, body: str, params: Mapping[str, Mapping[str, str]]) -> None:
        self.body = JavaString(body)
        self._params: dict[str, dict[str, str]] = java_values({kind: dict(values) for kind, values in params.items()})
        self._root: Any = None
        self._parsed = False

    def params(self, name: str | None = None) -> Any:
        """Return all parameters, or one: from the path, else the query, else the headers, else an empty string."""
        if name is None:
            return self._params
        for kind in ("path", "querystring", "header"):
            if name in self._params[kind]:
                return self._params[kind][name]
        return JavaString("")

    def path(self, path: str) -> Any:
        """Return the value at a JSONPath of the payload."""
        if not self._parsed:
            self._parsed = True
            try:
                self._root = java_values(json.loads(self.body)) if self.body else {}
            except ValueError:
                self._root = {}
        return select(self._root, path)

    def json(self, path: str) -> JavaString:
        """Return the value at a JSONPath as JSON."""
        value = self.path(path)
        return JavaString("" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":")))


class Util:
    """`$util`: API Gateway's functions, under their own names."""

    escapeJavaScript = staticmethod(strings.escape_java_script)  # noqa: N815
    base64Encode = staticmethod(strings.base64_encode)  # noqa: N815
    base64Decode = staticmethod(strings.base64_decode)  # noqa: N815
    urlEncode = staticmethod(strings.url_encode)  # noqa: N815
    urlDecode = staticmethod(strings.url_decode)  # noqa: N815

    @staticmethod
    def parseJson(value: str) -> Any:  # noqa: N802 - a template's value, API Gateway's name
        """Return the object a JSON text describes."""
        return java_values(json.loads(value))


UTIL: Final = Util()


def namespace(
    source: Input, context: dict[str, Any], stage_variables: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what one rendering may see. `context` is shared: overrides set by the template appear in it."""
    return {
        "input": source,
        "util": UTIL,
        "context": context,
        "stageVariables": java_values(dict(stage_variables or {})),
    }


def request_context(**values: Any) -> dict[str, Any]:
    """Return `$context` for one request, with places for the overrides that templates may set."""
    context: dict[str, Any] = java_values(values)
    context["responseOverride"] = {"header": {}}
    return context

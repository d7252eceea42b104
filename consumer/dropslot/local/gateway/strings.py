"""Strings as templates know them: Java's methods, and the escape functions of API Gateway's `$util`."""

import base64
import re
from typing import Any, Final, Self
from urllib.parse import quote_plus, unquote_plus

from airspeed.operators import REPLACE_FORMAL_TEXT  # type: ignore[import-untyped]

_NAMED_ESCAPES: Final = {
    "'": "\\'", '"': '\\"', "\\": "\\\\", "/": "\\/",
    "\b": "\\b", "\n": "\\n", "\t": "\\t", "\f": "\\f", "\r": "\\r",
}  # fmt: skip
_TO_ESCAPE: Final = re.compile(r"""['"\\/\x00-\x1f]|[^\x00-\x7f]""")
_REPLACEMENT: Final = re.compile(r"\\(.)|\$(\d)", re.DOTALL)


class JavaString(str):
    """A `str` that also answers to java.lang.String's methods, lengths in UTF-16 units."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        # The engine compares each value with this marker and prints the template's own text instead of it: a body that
        # reads like the marker must stay itself.
        return other is not REPLACE_FORMAL_TEXT and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def length(self) -> int:
        """Return the number of UTF-16 units."""
        return len(self) if self.isascii() else len(self.encode("utf-16-le", "surrogatepass")) // 2

    def replaceAll(self, pattern: str, replacement: str) -> Self:  # noqa: N802 - Java's name
        """Replace every match; in the replacement ``$1`` is a group, a backslash takes the next character as it is."""

        def expand(match: re.Match[str]) -> str:
            return _REPLACEMENT.sub(lambda part: part[1] if part[1] is not None else match[int(part[2])], replacement)

        return type(self)(re.sub(pattern, expand if _REPLACEMENT.search(replacement) else lambda _: replacement, self))

    def matches(self, pattern: str) -> bool:
        """Tell whether the whole string matches."""
        return re.fullmatch(pattern, self) is not None

    def contains(self, part: str) -> bool:
        """Tell whether `part` occurs."""
        return part in self

    def isEmpty(self) -> bool:  # noqa: N802 - Java's name
        """Tell whether the string is empty."""
        return not self

    def startsWith(self, prefix: str) -> bool:  # noqa: N802 - Java's name
        """Tell whether the string starts with `prefix`."""
        return self.startswith(prefix)

    def endsWith(self, suffix: str) -> bool:  # noqa: N802 - Java's name
        """Tell whether the string ends with `suffix`."""
        return self.endswith(suffix)

    def equalsIgnoreCase(self, other: str) -> bool:  # noqa: N802 - Java's name
        """Tell whether both are equal but for case."""
        return self.lower() == other.lower()

    def toLowerCase(self) -> Self:  # noqa: N802 - Java's name
        """Return the string in lower case."""
        return type(self)(self.lower())

    def toUpperCase(self) -> Self:  # noqa: N802 - Java's name
        """Return the string in upper case."""
        return type(self)(self.upper())

    def toString(self) -> Self:  # noqa: N802 - Java's name
        """Return the string."""
        return self

    def substring(self, start: int, end: int | None = None) -> Self:
        """Return a part; unlike Java's it counts code points, which is the same for ASCII."""
        return type(self)(self[start:end])


def escape_java_script(value: object) -> JavaString:
    """Escape like `$util.escapeJavaScript`, which is Apache Commons Lang's: other than JSON it escapes apostrophes."""
    return JavaString(_TO_ESCAPE.sub(_escape, _string(value)))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    named = _NAMED_ESCAPES.get(character)
    if named is not None:
        return named
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04X}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04X}\\u{0xDC00 + (code & 0x3FF):04X}"


def base64_encode(value: object) -> JavaString:
    """Encode the UTF-8 bytes of a string, without line breaks."""
    return JavaString(base64.b64encode(_string(value).encode("utf-8", "surrogatepass")).decode("ascii"))


def base64_decode(value: object) -> JavaString:
    """Decode Base64 to a UTF-8 string."""
    return JavaString(base64.b64decode(_string(value)).decode("utf-8", "replace"))


def url_encode(value: object) -> JavaString:
    """Encode like java.net.URLEncoder: as in a form, ``*`` as it is and ``~`` escaped."""
    return JavaString(quote_plus(_string(value), safe="*").replace("~", "%7E"))


def url_decode(value: object) -> JavaString:
    """Undo `url_encode`."""
    return JavaString(unquote_plus(_string(value)))


def java_values(value: Any) -> Any:
    """Return a JSON value with every string in it made a `JavaString`."""
    if isinstance(value, str):
        return JavaString(value)
    if isinstance(value, dict):
        return {JavaString(key): java_values(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [java_values(inner) for inner in value]
    return value


def _string(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)

"""Readers of single settings: each takes a decoded value and returns it checked, or says what was expected."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

#: Returns the value as the settings hold it; raises ValueError with "expected ..." when it is something else.
Reader = Callable[[object], Any]


def text(pattern: str, noun: str) -> Reader:
    """Read a string that matches a whole pattern."""
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise ValueError(f"expected {noun}")
        return value

    return read


def one_of(*choices: str | int) -> Reader:
    """Read one of a few values."""

    def read(value: object) -> str | int:
        # True is an int to Python, and never meant as one here.
        if isinstance(value, bool) or value not in choices:
            raise ValueError(f"expected one of {', '.join(str(choice) for choice in choices)}")
        return value

    return read


def flag(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ValueError("expected true or false")  # noqa: TRY004 - what was set is wrong, not the code
    return value


def whole_number(low: int, high: int) -> Reader:
    """Read a whole number within limits."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"expected a whole number from {low} to {high}")
        return value

    return read


def either(first: Reader, second: Reader) -> Reader:
    """Read what one of two readers takes."""

    def read(value: object) -> Any:
        try:
            return first(value)
        except ValueError as one:
            try:
                return second(value)
            except ValueError as other:
                raise ValueError(f"{one}, or {str(other).removeprefix('expected ')}") from None

    return read


def optional(reader: Reader) -> Reader:
    """Read a string that may be empty, which stands for "none"."""
    return lambda value: "" if not value and isinstance(value, str) else reader(value)


def many(reader: Reader) -> Reader:
    """Read a list of different values."""

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("expected a list")  # noqa: TRY004 - as above
        values = tuple(_inner(reader, entry, f"[{index}]") for index, entry in enumerate(value))
        if len(set(values)) < len(values):
            raise ValueError("expected each entry once")
        return values

    return read


def table(keys: Reader, values: Reader) -> Reader:
    """Read a table whose keys are settings, too."""

    def read(value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError("expected a table")  # noqa: TRY004 - as above
        return {_inner(keys, key, f"key {key!r}"): _inner(values, entry, str(key)) for key, entry in value.items()}

    return read


def listed(entries: Iterable[str]) -> str:
    """Write names for a fault's text."""
    return ", ".join(sorted(entries)) or "none"


def _inner(reader: Reader, value: object, place: str) -> Any:
    try:
        return reader(value)
    except ValueError as wrong:
        raise ValueError(f"at {place}: {wrong}") from None

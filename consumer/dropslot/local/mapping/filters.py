"""A mapping's filters: which records of the stream it delivers at all.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html

Of the operators Lambda knows, those that the deployed mappings use are here: equal strings, `prefix`, `anything-but` of
strings, `exists` on leaves. A pattern with any other is refused, since to guess its meaning would be to test something
else than what gets deployed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from dropslot.core.errors import ConfigurationError

Matches: TypeAlias = Callable[[bytes], bool]
_Test: TypeAlias = Callable[[Any], bool]

#: Stands for a field that a record doesn't have; JSON has no such value.
_ABSENT: Final = object()
#: Limit of one mapping (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
_MAX_FILTERS: Final = 5


def compile_filters(filters: Sequence[Mapping[str, Any]]) -> Matches:
    """Return what tells whether a record's data is to be delivered: without filters all is.

    Once there is a filter on the data as JSON, data that is no JSON never matches.

    Raises:
        ConfigurationError: with one sentence for each pattern that this mapping can't keep.
    """
    tests: list[_Test] = []
    faults: list[str] = []
    if len(filters) > _MAX_FILTERS:
        faults.append(f"{len(filters)} filters: a mapping takes {_MAX_FILTERS} at most")
    for number, pattern in enumerate(filters, 1):
        try:
            tests.append(_data(pattern))
        except ValueError as wrong:
            faults.append(f"filter {number}: {wrong}")
    if faults:
        raise ConfigurationError(*faults)
    if not tests:
        return lambda _data: True

    def matches(data: bytes) -> bool:
        try:
            document = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return False
        return any(test(document) for test in tests)

    return matches


def _data(pattern: Mapping[str, Any]) -> _Test:
    if set(pattern) != {"data"}:
        raise ValueError("only `data` can be matched")
    return _node(pattern["data"], "data")


def _node(pattern: object, path: str) -> _Test:
    if isinstance(pattern, list):
        return _leaf(pattern, path)
    if not isinstance(pattern, Mapping) or not pattern:
        raise ValueError(f"{path} must be an object with fields, or a list of values")
    fields = {name: _node(below, f"{path}.{name}") for name, below in pattern.items()}

    def matches(value: Any) -> bool:
        return all(
            test(value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT) for name, test in fields.items()
        )

    return matches


def _leaf(alternatives: Sequence[object], path: str) -> _Test:
    if not alternatives:
        raise ValueError(f"{path} has no values")
    tests = [_alternative(one, path) for one in alternatives]
    return lambda value: any(test(value) for test in tests)


def _alternative(pattern: object, path: str) -> _Test:
    match pattern:
        case str():
            return lambda value: value == pattern
        case {"exists": bool(wanted), **rest} if not rest:
            # Only leaves exist in this sense: an object in its place doesn't count.
            return lambda value: (value is not _ABSENT and not isinstance(value, dict | list)) is wanted
        case {"prefix": str(start), **rest} if not rest:
            return lambda value: isinstance(value, str) and value.startswith(start)
        case {"anything-but": list(refused), **rest} if not rest and all(isinstance(one, str) for one in refused):
            return lambda value: value is not _ABSENT and not isinstance(value, dict | list) and value not in refused
    raise ValueError(f"{path}: {pattern!r} is an operator that the local mapping doesn't know")

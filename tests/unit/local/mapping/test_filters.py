"""The filters: those of the deployed mapping, and no other operators."""

import json
from typing import Any

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.core.mapping import FILTERS, NOTIFY_FILTERS
from dropslot.local.mapping.filters import compile_filters


def _change(event: str, **image: Any) -> bytes:
    return json.dumps({"eventName": event, "dynamodb": {"NewImage": image}}).encode()


@pytest.mark.parametrize(
    ("data", "delivered"),
    [
        (_change("INSERT"), True),
        (b'{"eventName": "INSERT"}', True),
        (_change("REMOVE"), False),
        (_change("MODIFY", attempt={"N": "1"}), True),
        (_change("MODIFY", attempt={"N": "0"}), False),
        (_change("MODIFY"), False),
        (_change("MODIFY", attempt={"N": "1"}, ttl={"N": "5"}), False),
        (_change("MODIFY", attempt={"N": "1"}, error={"S": ""}), False),
        (_change("MODIFY", attempt={"N": "1"}, error={"N": "1"}), True),
        (b'{"eventName": "MODIFY", "dynamodb": null}', False),
        (b"no JSON", False),
        (b"\xff", False),
        (b'["INSERT"]', False),
        (b'{"x":' * 20_000, False),
    ],
)
def test_the_deployed_filters(data: bytes, *, delivered: bool) -> None:
    """Given a record, then it is delivered if it may ask for a run: a new request, or a redriven one."""
    assert compile_filters(FILTERS)(data) is delivered


@pytest.mark.parametrize(
    ("before", "after", "delivered"),
    [
        ("pending-0", "done-0", True),
        ("pending-f", "failed-f", True),
        ("waiting-0", "done-0", True),
        ("waiting-0", "failed-0", True),
        ("pending-0", "waiting-0", False),
        ("pending-0", "pending-0", False),
        ("failed-0", "pending-0", False),
        ("done-0", "done-0", False),
        (None, "done-0", False),
        ("pending-0", None, False),
    ],
)
def test_the_filters_of_pushes(before: str | None, after: str | None, *, delivered: bool) -> None:
    """Given a change of status, then it is delivered if it settles what was unsettled."""
    images = {
        name: {"status": {"S": status}}
        for name, status in (("OldImage", before), ("NewImage", after))
        if status is not None
    }
    matches = compile_filters(NOTIFY_FILTERS)

    assert matches(json.dumps({"eventName": "MODIFY", "dynamodb": images}).encode()) is delivered
    assert not matches(json.dumps({"eventName": "INSERT", "dynamodb": images}).encode())


def test_a_prefix_is_of_strings() -> None:
    """Given a prefix, then only strings that begin so match."""
    matches = compile_filters([{"data": {"a": [{"prefix": "so"}]}}])

    assert matches(b'{"a": "soup"}')
    assert not any(map(matches, (b'{"a": "a soup"}', b'{"a": ["soup"]}', b'{"a": 1}', b"{}")))


def test_without_filters_all_is_delivered() -> None:
    """Given no filters, then also what is no JSON."""
    assert compile_filters(())(b"\xff")


def test_exists_looks_at_leaves_only() -> None:
    """Given an object where a leaf is asked for, then that leaf doesn't exist."""
    there, absent = (compile_filters([{"data": {"a": [{"exists": wanted}]}}]) for wanted in (True, False))

    assert (there(b'{"a": 1}'), absent(b'{"a": 1}')) == (True, False)
    assert (there(b'{"a": {"b": 1}}'), absent(b'{"a": {"b": 1}}')) == (False, True)
    assert (there(b"{}"), absent(b"{}")) == (False, True)


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ({"data": {"a": [{"suffix": "x"}]}}, "operator"),
        ({"data": {"a": [{"prefix": 1}]}}, "operator"),
        ({"data": {"a": [{"prefix": {"equals-ignore-case": "x"}}]}}, "operator"),
        ({"data": {"a": [{"numeric": [">", 1]}]}}, "operator"),
        ({"data": {"a": [{"anything-but": {"prefix": "x"}}]}}, "operator"),
        ({"data": {"a": [{"anything-but": [1]}]}}, "operator"),
        ({"data": {"a": [{"exists": "no"}]}}, "operator"),
        ({"data": {"a": [{"exists": True, "prefix": "x"}]}}, "operator"),
        ({"data": {"a": [1]}}, "operator"),
        ({"data": {"a": [None]}}, "operator"),
        ({"data": {"a": []}}, "no values"),
        ({"data": {"a": "x"}}, "list of values"),
        ({"data": {}}, "list of values"),
        ({"partitionKey": ["x"]}, "only `data`"),
        ({}, "only `data`"),
    ],
)
def test_what_the_mapping_can_not_keep_is_refused(pattern: dict[str, Any], fault: str) -> None:
    """Given a pattern that AWS may know and this mapping doesn't, then making it fails and says which."""
    with pytest.raises(ConfigurationError, match=fault) as refused:
        compile_filters([*FILTERS, pattern])
    assert refused.value.faults[0].startswith("filter 3: ")


def test_no_more_than_five() -> None:
    """Given six filters, which Lambda refuses, then so does the local mapping."""
    with pytest.raises(ConfigurationError, match="5 at most"):
        compile_filters([{"data": {"a": ["x"]}}] * 6)

"""Messages of clients: what they ask for, or what is wrong with them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot.core.feedback import WATCH_MAX_IDS, Fault
from dropslot.core.watch import Watch, parse_watch, unknown_action


def message(**fields: object) -> str:
    """Return a message that is right but for these fields."""
    return json.dumps({"action": "watch", "type": "orders", "ids": ["a1"], **fields})


def fault(text: str) -> Fault:
    """Return what is wrong with a message; fails when nothing is."""
    parsed = parse_watch(text)
    assert isinstance(parsed, Fault), parsed
    return parsed


def test_it_names_a_type_and_ids() -> None:
    """Given ids, some of them twice, then each is there once, in their order."""
    assert parse_watch(message(ids=["a1", "@b-2", "a1", "c~._3"])) == Watch("orders", ("a1", "@b-2", "c~._3"))


def test_as_many_ids_as_may_be() -> None:
    """Given the most that are taken, then one more is a fault that says the limit."""
    ids = [f"a{number}" for number in range(WATCH_MAX_IDS)]
    assert parse_watch(message(ids=ids)) == Watch("orders", tuple(ids))
    assert "100" in fault(message(ids=[*ids, "b"])).message
    assert "100" in fault(message(ids=["a1"] * (WATCH_MAX_IDS + 1))).message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (message(ids=[]), "length >= 1"),
        (message(ids="a1"), "got `str`"),
        (message(ids=[1]), "got `int`"),
        (message(ids=[""]), "length >= 1"),
        (message(ids=["x" * 130]), "length <= 129"),
        (message(ids=None), "got `null`"),
        (message(type=5), "got `int`"),
        (message(type="t" * 65), "length <= 64"),
        ('{"action":"watch","ids":["a1"]}', "`type`"),
        ('{"action":"watch","type":"orders","id":"a1"}', "`ids`"),
        ("[]", "got `array`"),
        ("7", "got `int`"),
    ],
)
def test_a_wrong_shape_is_told_with_the_right_one(text: str, says: str) -> None:
    """Given a message of another shape, then the fault says what is wrong, and shows what would be right."""
    wrong = fault(text)
    assert wrong.name == "bad_watch"
    assert says in wrong.message
    assert '"ids": ["a1"]' in wrong.message


@pytest.mark.parametrize(
    "text",
    ["", "hello", "{", "\ud800", '{"x":' * 40_000, '{"type":"orders","ids":["\\ud800"]}', '{"x":' + "[" * 100_000],
    ids=["empty", "word", "cut off", "no text", "deep objects", "half a character", "deep arrays"],
)
def test_what_is_no_json_is_said_to_be_none(text: str) -> None:
    """Given no JSON, however deep or long, then the fault says so and repeats none of it."""
    wrong = fault(text)
    assert wrong.name == "bad_message"
    assert len(wrong.message) < 200


@given(st.one_of(st.text(), st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps)))
def test_whatever_comes_is_a_watch_or_a_fault(text: str) -> None:
    """Given anything, then nothing is raised."""
    assert isinstance(parse_watch(text), Watch | Fault)
    assert isinstance(unknown_action(text), Fault)


@pytest.mark.parametrize("one", ["a#b", "../x", "a b", "é", "x" * 129, "@", "@@a", "a/b", "a\n"])
def test_ids_that_no_request_can_have_are_not_looked_for(one: str) -> None:
    """Given an id that the HTTP API knows no request by, then the others are still possible."""
    parsed = parse_watch(message(ids=["a1", one]))
    assert isinstance(parsed, Watch)
    assert parsed.ids == ("a1", one)
    assert parsed.possible_ids == ("a1",)


@pytest.mark.parametrize("type_name", ["Orders", "orders#x", "#", "or ders", "../orders", "orders\n"])
def test_a_type_that_cannot_be_has_no_requests(type_name: str) -> None:
    """Given a type that no path has, then no id of it is possible: it can't reach into another type's keys."""
    parsed = parse_watch(message(type=type_name))
    assert isinstance(parsed, Watch)
    assert parsed.possible_ids == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (message(action="unwatch"), "unknown_action"),
        ("{}", "unknown_action"),
        ("7", "unknown_action"),
        ("x", "bad_message"),
    ],
)
def test_another_action_is_unknown(text: str, name: str) -> None:
    """Given a message that no route takes, then it is told what there is."""
    wrong = unknown_action(text)
    assert wrong.name == name
    assert '"action": "watch"' in wrong.message

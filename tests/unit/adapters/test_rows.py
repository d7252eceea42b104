"""Between DynamoDB's attribute values and ours."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropslot.adapters.requests.rows import attribute, state_from, unfinished_from
from tests.unit.core.images import image, state

VALUE = st.dictionaries(st.sampled_from(["S", "N", "B", "NULL", "M"]), st.text(max_size=5), min_size=1, max_size=1)


@settings(deadline=None)
@given(st.sampled_from(sorted(image())), st.none() | VALUE)
def test_an_attribute_of_any_type_is_a_request_or_none(name: str, value: dict[str, Any] | None) -> None:
    """Given an item that somebody else spoiled, then it is passed over, never raised."""
    item = image(tries=None) if value is None else {**image(), name: value}
    if value is None:
        item.pop(name, None)
    state_from(item)
    unfinished_from(item)


def test_an_item_shows_its_state() -> None:
    """Settled is whether an outcome is there."""
    assert state_from(image()) == state()
    assert state_from(image(status="done-0", ttl=5)) == state(status="done", digit="0", settled=True)
    assert state_from(image(status="failed-0", error="")) == state(status="failed", digit="0", settled=True)


def test_a_row_takes_its_status_from_its_queue() -> None:
    """The index projects no status: the queue is its copy."""
    row = image(status=None, queue="waiting-3", due_at=7, tries=2)
    found = unfinished_from(row)
    assert found is not None
    assert (found.state.status, found.state.digit, found.state.tries, found.due_at) == ("waiting", "3", 2, 7)
    assert unfinished_from(image(queue=None)) is None


@pytest.mark.parametrize(
    ("value", "expected"), [("", {"S": ""}), ("5", {"S": "5"}), (5, {"N": "5"}), (-1, {"N": "-1"})]
)
def test_text_is_s_and_numbers_are_n(value: str | int, expected: dict[str, str]) -> None:
    """Nothing else is written."""
    assert attribute(value) == expected

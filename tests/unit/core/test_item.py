"""Statuses as they are stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot.core import names
from dropslot.core.item import split_status


@pytest.mark.parametrize("status", [names.PENDING, names.WAITING, names.FAILED, names.DONE])
@pytest.mark.parametrize("digit", names.SPREAD_DIGITS)
def test_a_stored_status_comes_apart_as_it_was_put_together(status: str, digit: str) -> None:
    """Sixteen digits for each of four statuses."""
    assert split_status(names.stored_status(status, digit)) == (status, digit)


@given(st.text())
def test_anything_else_is_refused_with_a_short_reason(text: str) -> None:
    """Given any other text, then it is no status, and the reason quotes no more than its beginning."""
    try:
        status, digit = split_status(text)
    except ValueError as wrong:
        assert len(str(wrong)) < 400  # noqa: PT017 - a valid one is possible, if unlikely
    else:
        assert names.stored_status(status, digit) == text

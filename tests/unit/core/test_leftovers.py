"""Errors that tell what couldn't be undone: always to be found, and never too long."""

import hypothesis.strategies as st
from hypothesis import given

from dropslot.core import names
from dropslot.core.leftovers import tells_of_leftovers, with_leftovers, without_leftovers
from dropslot.core.text import cut


def test_it_tells_why_it_failed_and_what_is_left() -> None:
    """Given two steps that aren't undone, both are named with their reasons, the last one first as they come."""
    error = with_leftovers("ValueError: no such street", ["charge (TimeoutError: bank)", "reserve (not tried)"])

    assert error == "ValueError: no such street; not undone: charge (TimeoutError: bank), reserve (not tried)"
    assert tells_of_leftovers(error)
    assert without_leftovers(error) == "ValueError: no such street"


def test_a_later_list_takes_the_place_of_an_earlier_one() -> None:
    """Given an error with a list, whoever tries again tells what is left then."""
    once = with_leftovers("no such street", ["charge (x)", "reserve (y)"])

    assert with_leftovers(once, ["reserve (z)"]) == "no such street; not undone: reserve (z)"


def test_an_error_without_a_list_tells_of_none() -> None:
    """Given any other failure, nothing is left by what it says."""
    assert not tells_of_leftovers("ValueError: no such street")
    assert without_leftovers("ValueError: no such street") == "ValueError: no such street"


@given(st.text(max_size=2_000), st.lists(st.text(max_size=600), min_size=1, max_size=5))
def test_it_is_found_however_long_it_is(error: str, left: list[str]) -> None:
    """Given any lengths, the item's limit cuts nothing more of it, and the list can still be told from the reason."""
    told = with_leftovers(error, left)

    assert cut(told, names.ERROR_MAX_BYTES) == told
    assert tells_of_leftovers(told)
    assert with_leftovers(told, left) == told

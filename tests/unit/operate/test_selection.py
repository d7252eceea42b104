"""Which requests an operator means."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot.core.errors import ConfigurationError
from dropslot.operate.row import Row
from dropslot.operate.selection import ErrorPattern, Selection
from tests.unit.core.images import ACCEPTED_AT_MS, image


def row(request_id: str = "caller#orders#one", /, **attributes: Any) -> Row:
    """Return the row of an item."""
    made = Row.from_item(image(request_id, **attributes))
    assert made is not None
    return made


ERROR = "HTTPError: [502] bad gateway\nat https://x.example/?a=1"


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("bad gateway", True),
        ("HTTPError", True),
        ("httperror", False),
        ("[502]", True),
        ("[50?]", False),
        ("HTTPError: *gateway", True),
        ("HTTPError*x.example", True),
        ("*", True),
        ("", True),
        ("?a=1", True),
        ("gateway*HTTPError", False),
        (".+", False),
        ("502|503", False),
    ],
)
def test_text_means_itself_but_for_the_star(text: str, matches: bool) -> None:
    """Given an error with brackets and a question mark, only the star of what is looked for is special."""
    assert ErrorPattern.of_text(text).matches(ERROR) is matches


@given(st.text(), st.text(), st.text())
def test_any_text_is_found_in_what_contains_it(before: str, text: str, after: str) -> None:
    """Given an error that contains a text, then it matches, whatever characters these are."""
    assert ErrorPattern.of_text(text).matches(before + text + after)


@given(st.text(alphabet="ab*.", max_size=8), st.text(alphabet="ab.", max_size=8))
def test_the_star_is_a_search_for_the_parts_in_order(text: str, error: str) -> None:
    """Given any pattern, it matches exactly if its parts are in the error, one after the other."""
    at = 0
    expected = True
    for part in text.split("*"):
        found = error.find(part, at)
        expected = expected and found >= 0
        at = found + len(part)
    assert ErrorPattern.of_text(text).matches(error) is expected


@pytest.mark.parametrize(("regex", "matches"), [("50[23]", True), ("^bad", False), ("(?i)httperror", True)])
def test_a_regular_expression_is_searched_for(regex: str, matches: bool) -> None:
    """Given an expression, it needn't match from the start."""
    assert ErrorPattern.of_regex(regex).matches(ERROR) is matches


def test_a_broken_regular_expression_is_explained() -> None:
    """Given something else, the operator reads what is wrong with it."""
    with pytest.raises(ConfigurationError, match=re.escape("--error-regex '(' is no regular expression: ")):
        ErrorPattern.of_regex("(")


@pytest.mark.parametrize(
    ("selection", "holds"),
    [
        (Selection(), True),
        (Selection(type="orders"), True),
        (Selection(type="order"), False),
        (Selection(caller="caller"), True),
        (Selection(caller="call"), False),
        (Selection(accepted_from_ms=ACCEPTED_AT_MS, accepted_until_ms=ACCEPTED_AT_MS), True),
        (Selection(accepted_from_ms=ACCEPTED_AT_MS + 1), False),
        (Selection(accepted_until_ms=ACCEPTED_AT_MS - 1), False),
        (Selection(error=ErrorPattern.of_text("busy")), True),
        (Selection(error=ErrorPattern.of_text("busy"), type="notes"), False),
    ],
)
def test_all_that_is_set_must_hold(selection: Selection, holds: bool) -> None:
    """Given a failed request, each part of a selection can leave it out."""
    assert selection.holds(row(status="failed-a", error="busy", last_error="slow")) is holds


def test_the_last_error_counts_for_what_has_not_failed() -> None:
    """Given a waiting request, its last error is looked at; given a failed one, its error alone."""
    selection = Selection(error=ErrorPattern.of_text("slow"))
    assert selection.holds(row(status="waiting-a", last_error="slow"))
    assert not selection.holds(row(status="failed-a", last_error="slow", error="busy"))

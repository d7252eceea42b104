"""Cutting text to bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot.core.text import cut


@given(st.text(), st.integers(0, 40))
def test_the_result_fits_and_is_what_utf8_can_hold(text: str, max_bytes: int) -> None:
    """Whatever the text, its cut form is valid UTF-8 of at most so many bytes."""
    assert len(cut(text, max_bytes).encode()) <= max_bytes


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_that_fits_stays_as_it_is(text: str) -> None:
    """Nothing is lost that needn't be."""
    assert cut(text, len(text.encode())) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=4), st.integers(3, 20))
def test_what_is_cut_says_so_and_keeps_the_beginning(text: str, max_bytes: int) -> None:
    """The beginning stays, the mark tells that there was more, at most one character of room is wasted."""
    result = cut(text, max_bytes)
    if result != text:
        assert result.endswith("…")
        assert text.startswith(result[:-1])
        assert len(result.encode()) > max_bytes - 4


@pytest.mark.parametrize(("text", "expected"), [("a\ud800b", "a?b"), ("\udfff", "?")])
def test_a_lone_surrogate_becomes_a_question_mark(text: str, expected: str) -> None:
    """UTF-8 has no bytes for it."""
    assert cut(text, 10) == expected

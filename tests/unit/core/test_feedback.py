"""Frames: what a client is told, in any case as one piece of valid JSON that fits."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot.core import names
from dropslot.core.feedback import (
    RESULT_MAX_BYTES,
    Fault,
    Standing,
    fault_frame,
    split_id,
    standing_frame,
)
from dropslot.core.turn import Turn

#: API Gateway's limit of a frame.
FRAME_MAX_BYTES = 32 * 1024
FIRST = Turn(accepted_at=5, attempt=0)


def frame(**fields: str) -> dict[str, object]:
    """Return the decoded frame of a request."""
    standing = Standing(turn=FIRST, **{"id": "c#orders#a1", "status": names.DONE, **fields})
    decoded: dict[str, object] = json.loads(standing_frame("orders", "a1", standing))
    return decoded


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"status": "pending"}, {"status": "pending"}),
        ({"status": "waiting"}, {"status": "waiting"}),
        ({"status": "failed", "error": 'no "funghi"'}, {"status": "failed", "error": 'no "funghi"'}),
        ({"status": "done"}, {"status": "done"}),
        ({"status": "done", "result": '{"ticket": "é\\u00e9"}'}, {"status": "done", "result": {"ticket": "éé"}}),
        ({"status": "done", "result": "0"}, {"status": "done", "result": 0}),
        ({"status": "done", "result": "null"}, {"status": "done", "result": None}),
    ],
)
def test_a_frame_says_what_a_get_says(fields: dict[str, str], told: dict[str, object]) -> None:
    """Given a standing, then error and result are there when it has them, the result as JSON within the JSON."""
    assert frame(**fields) == {"id": "a1", "type": "orders", **told}


def test_what_is_not_there_is_unknown() -> None:
    """Given no standing, then the frame says no more than that."""
    assert json.loads(standing_frame("orders", "a1", None)) == {"id": "a1", "type": "orders", "status": "unknown"}


@pytest.mark.parametrize(
    "result",
    ['{"a":', "nul", '"\x01"', '"a" "b"', '"' + "x" * RESULT_MAX_BYTES + '"', "[" * 5_000 + "]" * 5_000, "\ud800"],
    ids=["cut off", "no word", "control character", "two values", "too large", "too deep", "no text"],
)
def test_a_result_that_would_break_its_frame_is_left_out_and_that_is_said(result: str) -> None:
    """Given a result that somebody else wrote into the item, then the client still learns that it is done."""
    assert frame(result=result) == {"id": "a1", "type": "orders", "status": "done", "result_omitted": True}


def test_the_largest_of_everything_fits_a_frame() -> None:
    """Given the longest id, type, error and result that there can be, all at once, then one frame holds it."""
    result = json.dumps('"' * ((RESULT_MAX_BYTES - 2) // 2))
    standing = Standing(id="x", turn=FIRST, status="failed", error="\x00" * names.ERROR_MAX_BYTES, result=result)
    encoded = standing_frame("t" * 64, "@" + "i" * 128, standing)
    assert json.loads(encoded)["result"] == json.loads(result)
    assert len(encoded) <= FRAME_MAX_BYTES


@given(error=st.text(max_size=60), result=st.one_of(st.just(""), st.text(max_size=60), st.from_type(int).map(str)))
def test_every_frame_is_json(error: str, result: str) -> None:
    """Given any texts, then the frame can be read, and the error in it is the one given."""
    decoded = frame(status="failed", error=error, result=result)
    assert decoded.get("error", "") == error


def test_a_fault_has_no_id() -> None:
    """Given a fault, then its frame can be told from a request's."""
    assert json.loads(fault_frame(Fault("bad_watch", "why"))) == {"error": "bad_watch", "message": "why"}


@pytest.mark.parametrize(
    ("item_id", "expected"),
    [
        ("AROA#orders#a1", ("orders", "a1")),
        ("-#orders#@2b2b", ("orders", "@2b2b")),
        ("caller#one", None),
        ("a#b#c#d", None),
        ("", None),
    ],
)
def test_a_key_of_the_api_is_split(item_id: str, expected: tuple[str, str] | None) -> None:
    """Given a key, then it falls into type and public id, unless it isn't one of the API's."""
    assert split_id(item_id) == expected

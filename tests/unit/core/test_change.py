"""Parsing change records: every byte string gives a change or says why not, and never raises."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dropslot.core import names
from dropslot.core.change import Change, Removed, Unusable, epoch_ms, parse
from dropslot.core.request import Request
from tests.unit.core.images import ACCEPTED_AT_MS, TABLE, data, image, parsed, record

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.binary())
@example(b"")
@example(b"\xff\xfe")
@example(b"null")
@example(b'"text"')
@example(b"\x1f\x8b\x08\x00")
def test_bytes_of_any_kind_never_raise(payload: bytes) -> None:
    """Whatever stands in the stream is explained, not raised."""
    assert isinstance(parse(payload, TABLE), Unusable)


@given(JSON)
def test_json_of_any_kind_never_raises(value: Any) -> None:
    """JSON that is no change record is foreign."""
    result = parse(json.dumps(value).encode(), TABLE)
    assert isinstance(result, Unusable)


@given(st.sampled_from(sorted(image(ttl=5, error="x", last_error="y"))), JSON, st.booleans())
def test_an_attribute_of_any_shape_never_raises(name: str, value: Any, in_old: bool) -> None:
    """One wrong attribute in an image spoils at most its record."""
    good, spoiled = image(), {**image(), name: value}
    result = parse(data(record(good, spoiled) if in_old else record(spoiled, good)), TABLE)
    assert isinstance(result, (Change, Unusable))


@given(st.sampled_from(sorted(record(image()))), JSON)
def test_a_record_field_of_any_shape_never_raises(name: str, value: Any) -> None:
    """One wrong field of the record spoils at most that record."""
    result = parse(data({**record(image()), name: value}), TABLE)
    assert isinstance(result, (Change, Unusable, Removed))


def test_a_record_cut_off_at_any_byte_is_broken() -> None:
    """No prefix of a record passes for a change."""
    whole = data(record(image(error="é ✓"), image()))
    for length in range(len(whole)):
        assert parse(whole[:length], TABLE) == Unusable("broken", "not JSON"), length


def test_a_record_with_something_behind_it_is_broken() -> None:
    """Two records in one payload are nobody's format."""
    whole = data(record(image()))
    assert isinstance(parse(whole + whole, TABLE), Unusable)


@pytest.mark.parametrize("depth", [500, 5_000, 200_000])
@pytest.mark.parametrize("opening", ["[", '{"M":'])
def test_nesting_of_any_depth_never_raises(depth: int, opening: str) -> None:
    """A payload built to exhaust the stack is skipped like any other."""
    nested = opening * depth
    assert isinstance(parse(nested.encode(), TABLE), Unusable)
    closing = "]" if opening == "[" else "}"
    whole = data(record(image())).replace(b'"SizeBytes": 100', f'"SizeBytes": {nested}1{closing * depth}'.encode())
    assert isinstance(parse(whole, TABLE), (Change, Unusable))
    inside = data(record({**image(), "extra": {"S": "here"}})).replace(
        b'"here"', f"{nested}1{closing * depth}".encode()
    )
    assert isinstance(parse(inside, TABLE), (Change, Unusable))


@given(
    request_id=TEXT.filter(bool),
    body=TEXT,
    content_type=TEXT,
    headers=st.dictionaries(TEXT, TEXT, max_size=4),
    accepted_at=st.integers(0, 10**13),
    attempt=st.integers(0, 10**6),
    tries=st.integers(0, 100),
    status=st.sampled_from([names.PENDING, names.WAITING, names.FAILED, names.DONE]),
    digit=st.sampled_from("0123456789abcdef"),
    outcome=st.sampled_from([None, names.TTL, names.ERROR]),
)
def test_a_generated_image_comes_back_as_it_was(  # noqa: PLR0917 - hypothesis names them
    request_id: str,
    body: str,
    content_type: str,
    headers: dict[str, str],
    accepted_at: int,
    attempt: int,
    tries: int,
    status: str,
    digit: str,
    outcome: str | None,
) -> None:
    """Given any image of a request, when its record is parsed, then each attribute is what it was."""
    new = image(
        request_id,
        request=body,
        content_type=content_type,
        accepted_at=accepted_at,
        attempt=attempt,
        tries=tries,
        status=f"{status}-{digit}",
        **({} if outcome is None else {outcome: 5 if outcome == names.TTL else "why"}),
    )
    new["headers"] = {"M": {name: {"S": value} for name, value in headers.items()}}
    if len(request_id.encode()) > 2048:
        return
    change = parsed(new, image(request_id, attempt=3))
    assert (change.accepted.id, change.accepted.body, change.accepted.content_type) == (request_id, body, content_type)
    assert change.accepted.headers == headers
    assert (change.accepted.accepted_at, change.state.accepted_at) == (accepted_at, accepted_at)
    assert (change.state.attempt, change.state.tries) == (attempt, tries)
    assert (change.state.status, change.state.digit) == (status, digit)
    assert change.state.settled is (outcome is not None)
    assert (change.event, change.previous_attempt) == ("MODIFY", 3)


def test_what_the_api_may_leave_out_has_a_default() -> None:
    """Optional attributes are empty, not an error."""
    bare = image(tries=None, type=None, content_type=None)
    change = parsed(bare)
    assert (change.state.tries, change.accepted.type, change.accepted.content_type) == (0, "", "")
    assert (change.accepted.encoding, change.accepted.headers) == ("", {})


@pytest.mark.parametrize("missing", ["id", "request", "accepted_at", "attempt", "status"])
def test_an_image_without_what_makes_a_request_is_foreign(missing: str) -> None:
    """A ghost, an item of somebody else: skipped."""
    result = parse(data(record(image(**{missing: None}))), TABLE)
    assert isinstance(result, Unusable)
    assert result.kind == "foreign"


@pytest.mark.parametrize("number", ["", "-1", "1.5", "1E3", "0x10", "one", "²", "٣", " 1", "1 ", "1_0", "9" * 39])
@pytest.mark.parametrize("name", ["accepted_at", "attempt", "tries"])
def test_a_number_we_never_write_is_foreign(name: str, number: str) -> None:
    """Only whole decimal numbers are ours."""
    result = parse(data(record({**image(), name: {"N": number}})), TABLE)
    assert isinstance(result, Unusable)


@pytest.mark.parametrize(
    "status", ["", "pending", "pending-", "-a", "pending-A", "pending-ab", "pending-g", "PENDING-a", "gone-a", "a"]
)
def test_a_status_we_never_write_is_foreign(status: str) -> None:
    """Only the four statuses with one hex digit are ours."""
    assert isinstance(parse(data(record(image(status=status))), TABLE), Unusable)


@pytest.mark.parametrize("request_id", ["", "x" * 2049, "é" * 1025])
def test_an_id_that_no_item_can_have_is_foreign(request_id: str) -> None:
    """A key is 1 to 2,048 bytes; reading any other one is refused by the table, for ever."""
    assert isinstance(parse(data(record(image(request_id))), TABLE), Unusable)


@given(st.integers(0, 10**38 - 1))
@example(10**18)
@example(253_402_300_800_000)
def test_whatever_parses_can_be_handed_to_a_handler(accepted_at: int) -> None:
    """Given a record of any age, when it is no foreign one, then a request can be made of it."""
    result = parse(data(record(image(accepted_at=accepted_at))), TABLE)
    if isinstance(result, Change):
        Request.from_accepted(result.accepted, 0)


def test_other_tables_and_events_are_foreign() -> None:
    """Only changes of our table count."""
    assert isinstance(parse(data(record(image(), table="others")), TABLE), Unusable)
    assert isinstance(parse(data(record(image(), event="UPSERT")), TABLE), Unusable)
    assert isinstance(parse(data(record(image(), event="insert")), TABLE), Unusable)


def test_a_delete_is_told_from_a_change() -> None:
    """A REMOVE asks for nothing, whatever its image holds."""
    assert parse(data(record(None, image())), TABLE) == Removed()
    assert parse(data(record(None, {"id": {"S": "x"}})), TABLE) == Removed()


def test_keys_only_records_are_foreign() -> None:
    """A record without images can't be decided."""
    bare = record(image())
    del bare["dynamodb"]["NewImage"]
    assert isinstance(parse(data(bare), TABLE), Unusable)


@pytest.mark.parametrize(
    "fields", [{"ttl": {"N": "5"}}, {"error": {"S": ""}}, {"error": {"S": "x"}}, {"ttl": {"NULL": True}}]
)
def test_an_outcome_of_any_shape_settles(fields: dict[str, Any]) -> None:
    """What counts is that the attribute is there."""
    assert parsed({**image(), **fields}).state.settled is True


@pytest.mark.parametrize(
    "value", [ACCEPTED_AT_MS / 1000, ACCEPTED_AT_MS // 1000, ACCEPTED_AT_MS, ACCEPTED_AT_MS * 1000]
)
def test_creation_times_in_all_three_scales_are_milliseconds(value: float) -> None:
    """AWS sends micro- or milliseconds, emulators seconds."""
    change = parse(data(record(image(), created=value)), TABLE)
    assert isinstance(change, Change)
    assert math.isclose(change.created_epoch_ms, ACCEPTED_AT_MS, abs_tol=1)


@given(st.floats(1e8, 9.9e10))
def test_the_three_scales_agree(seconds: float) -> None:
    """Given one moment in three scales, then all three give the same milliseconds."""
    expected = seconds * 1000
    for scale in (1, 1_000, 1_000_000):
        assert math.isclose(epoch_ms(seconds * scale), expected, rel_tol=1e-9)


@pytest.mark.parametrize("body", ["secret-4711", "\u2028secret-4711", '"secret-4711'])
def test_why_never_holds_a_payload(body: str) -> None:
    """Given a record whose image is broken next to a secret, when it is explained, then the secret isn't told."""
    for spoiled in (
        {**image(request=body), "id": {"S": 5}},
        {**image(), "headers": {"M": {body: {"N": "1"}}}},
        {**image(), "request": {"B": body}},
        {**image(), "request": {"S": {"x": body}}},
    ):
        result = parse(data(record(spoiled)), TABLE)
        assert isinstance(result, Unusable)
        assert "secret-4711" not in result.why

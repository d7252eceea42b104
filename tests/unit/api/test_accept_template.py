"""The call that stores a request: nothing a client sends breaks out of it, and what must not be stored is refused."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropslot.core import names

# Lone surrogates can't be sent as UTF-8.
TEXT = st.text(st.characters(codec="utf-8"), min_size=1)
VTL = st.lists(
    st.sampled_from(
        ["#set($x=1)", "$input", "$!x", "#end", "#if(", "##", "#*", '"', "'", "\\", "\\'", "\u2028", "\0", "😀"]
    )
).map("".join)

BODIES = [
    '{"a": "it\'s \\"quoted\\""}',
    "'",
    '"',
    "\\",
    "\\'",
    "\\\\''",
    "\0\x01\x1f\x7f\b\t\n\f\r",
    "#set($x=1)",
    "$input.body",
    "#end",
    "\u2028\u2029",
    "😀𝄞漢é",
    "\ufeff{}",
    "__FORMAL_REFERENCE__REPLACE_TEXT__",
    '"}}, "Key": {"id": {"S": "x',
    "a" * 300 * 1024,
    "漢" * 70_000,
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_body_is_stored_as_it_is(api: Any, body: str) -> None:
    """Given a body full of what JSON, Java or the template language gives a meaning, it arrives unchanged."""
    call = api.accept(body, {"Idempotency-Key": "k"})
    assert call.refusal is None
    assert call.value(":request") == body


@given(body=st.one_of(TEXT, VTL.filter(bool)), header=st.one_of(TEXT, VTL))
@settings(max_examples=150, deadline=None)
def test_any_text_is_stored_as_it_is(api: Any, body: str, header: str) -> None:
    """Given any body and any kept header, both arrive unchanged in a call that is valid JSON."""
    call = api.accept(body, {"Idempotency-Key": "k", "x-event": header, "content-type": "application/json"})
    assert call.value(":request") == body
    assert call.value(":headers") == {"X-Event": {"S": header}}
    assert call.client_id == "k"


@given(key=st.one_of(TEXT, VTL, st.just("@x"), st.just("a#b")))
@settings(max_examples=150, deadline=None)
def test_a_key_is_taken_as_it_is_or_refused(api: Any, key: str) -> None:
    """Given any text as key, it either is the id or the request is refused: nothing in between."""
    call = api.accept("b", {"Idempotency-Key": key})
    good = 1 <= len(key) <= 128 and key.isascii() and all(char.isalnum() or char in "._~-" for char in key)
    assert call.refusal == (None if good else "bad_key")
    if good:
        assert call.client_id == key


@pytest.mark.parametrize(
    ("headers", "client_id"),
    [
        ({}, "@c0ffee-1"),
        ({"Idempotency-Key": "k"}, "k"),
        ({"idempotency-key": "k"}, "k"),
        ({"IDEMPOTENCY-KEY": "k"}, "k"),
        ({"X-Delivery": "d"}, "d"),
        ({"X-Delivery": "d", "Idempotency-Key": "k"}, "k"),
        ({"Idempotency-Key": "x" * 128}, "x" * 128),
    ],
)
def test_the_first_key_header_present_names_the_request(api: Any, headers: dict[str, str], client_id: str) -> None:
    """Given key headers in any spelling, the first configured one counts; given none, the request id does."""
    assert api.accept("b", headers).client_id == client_id


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({"Idempotency-Key": ""}, "bad_key"),
        ({"Idempotency-Key": "", "X-Delivery": "good"}, "bad_key"),
        ({"Idempotency-Key": "x" * 129}, "bad_key"),
        ({"Idempotency-Key": "@generated"}, "bad_key"),
        ({"Content-Encoding": "gzip"}, "encoded_body"),
        ({"Content-Encoding": "identity"}, None),
        ({"Content-Type": "application/json; charset=iso-8859-1"}, "other_charset"),
        ({"Content-Type": "application/json; CHARSET=latin1"}, "other_charset"),
        ({"Content-Type": "application/json; charset=UTF-8"}, None),
        ({"Content-Type": 'application/json; charset="utf-8"'}, None),
        ({"X-Event": "e" * 9000}, "headers_too_large"),
        ({"X-Other": "e" * 9000}, None),
    ],
)
def test_headers_that_can_not_be_honoured_are_refused(api: Any, headers: dict[str, str], refusal: str | None) -> None:
    """Given a header that would be dropped or misread, the request is refused by name."""
    assert api.accept("b", headers).refusal == refusal


@pytest.mark.parametrize(
    ("request_id", "client_id", "digit"),
    [("0b-1", "@0b-1", "0"), ("f", "@f", "f"), ("zz", "@zz", "0"), ("F", "@F", "0"), ('x"#', None, ""), ("", None, "")],
)
def test_a_request_id_set_by_the_client_does_no_harm(
    api: Any, request_id: str, client_id: str | None, digit: str
) -> None:
    """Given any request id, it names and spreads the request if it can, and else is refused or passed over."""
    without_key = api.accept("b", requestId=request_id)
    if client_id is None:
        assert without_key.refusal == "bad_request_id"
        assert api.accept("b", {"Idempotency-Key": "k"}, requestId=request_id).value(":pending") == "pending-0"
    else:
        assert without_key.client_id == client_id
        assert without_key.value(":pending") == f"pending-{digit}"


@pytest.mark.parametrize(
    ("context", "caller"),
    [
        ({}, "-"),
        ({"identity": {"apiKeyId": "abc123", "caller": "AROA:s"}}, "abc123"),
        ({"identity": {"caller": "AROAEXAMPLE:session"}}, "AROAEXAMPLE"),
        ({"identity": {"caller": "AIDAEXAMPLE"}}, "AIDAEXAMPLE"),
        ({"identity": {"caller": "AROA:CognitoIdentityCredentials", "cognitoIdentityId": "eu:1"}}, "eu%3A1"),
        ({"identity": {}, "authorizer": {"principalId": "user"}}, "principal:user"),
        ({"identity": {}, "authorizer": {"principalId": "-"}}, "principal:-"),
        ({"identity": {}, "authorizer": {"claims": {"sub": "u"}}}, "sub:u"),
    ],
)
def test_the_caller_comes_from_api_gateway(api: Any, context: dict[str, Any], caller: str) -> None:
    """Given each kind of identity, all calls use the same prefix, without a session's name."""
    assert api.accept("b", **context).caller == caller
    assert api.status("k", **context).caller == caller
    assert api.steps("k", **context).caller == caller


@given(principal=TEXT)
@settings(max_examples=100, deadline=None)
def test_no_principal_forges_another_id(api: Any, principal: str) -> None:
    """Given any principal, the id has its two separators and no more."""
    call = api.accept("b", {"Idempotency-Key": "k"}, identity={}, authorizer={"principalId": principal})
    assert call.call["Key"]["id"]["S"].count("#") == 2
    assert call.caller.startswith("principal:")


def test_every_attribute_is_set_only_once(api: Any) -> None:
    """Given a request, the call sets the attributes of a new item and changes no stored one."""
    call = api.accept("b", {"traceparent": "00-1", "Content-Type": "text/plain"}, media="text/plain").call
    clauses = call["UpdateExpression"].removeprefix("SET ").split(", #")
    assert all("= if_not_exists(" in clause for clause in clauses)
    assert call["ConditionExpression"] == (
        "attribute_not_exists(#id) OR (#request = :request AND attribute_not_exists(#encoding))"
    )
    assert "#queue = if_not_exists(#status, :pending)" in call["UpdateExpression"]
    assert call["ReturnValues"] == "ALL_NEW"
    assert call["ExpressionAttributeValues"] == {
        ":request": {"S": "b"},
        ":type": {"S": "orders"},
        ":content_type": {"S": "text/plain"},
        ":headers": {"M": {"traceparent": {"S": "00-1"}}},
        ":now": {"N": "1700000000000"},
        ":zero": {"N": "0"},
        ":pending": {"S": "pending-c"},
    }
    known = {value for value in vars(names).values() if isinstance(value, str)}
    assert set(call["ExpressionAttributeNames"].values()) <= known


def test_a_binary_body_is_marked(api: Any) -> None:
    """Given a binary type, the stored text is base64, marked, and never taken for the same text sent as text."""
    stored = base64.b64encode(bytes(range(256))).decode()
    call = api.accept(stored, media="application/pdf")
    assert call.value(":request") == stored
    assert call.value(":encoding") == "base64"
    assert "#encoding = if_not_exists(#encoding, :encoding)" in call.call["UpdateExpression"]
    assert call.call["ConditionExpression"].endswith("(#request = :request AND #encoding = :encoding)")


SIZES = [
    ("a", 1, names.BODY_MAX_BYTES),
    ('"', 1, names.BODY_MAX_ESCAPED_BYTES // 2),
    ("\\", 1, names.BODY_MAX_ESCAPED_BYTES // 2),
    ("\n", 1, names.BODY_MAX_ESCAPED_BYTES // 2),
    ("'", 1, names.BODY_MAX_BYTES),
    ("\x01", 1, names.BODY_MAX_ESCAPED_BYTES // 6),
    ("漢", 3, names.BODY_MAX_ESCAPED_BYTES // 6),
    ("é", 2, names.BODY_MAX_ESCAPED_BYTES // 6),
    ("😀", 4, names.BODY_MAX_ESCAPED_BYTES // 12),
]


@pytest.mark.parametrize(("character", "width", "count"), SIZES, ids=[ascii(size[0]) for size in SIZES])
def test_the_largest_body_of_each_kind(api: Any, character: str, width: int, count: int) -> None:
    """Given a body at its limit it is taken, one character more is refused, and what is taken fits a change record."""
    largest = character * count
    assert api.accept(largest).refusal is None
    assert api.accept(largest + character).refusal == "body_too_large"
    assert len(largest.encode()) == count * width <= names.BODY_MAX_BYTES
    for ensure_ascii in (True, False):
        record_text = json.dumps(largest, ensure_ascii=ensure_ascii)
        assert len(record_text.encode()) - 2 <= names.BODY_MAX_ESCAPED_BYTES


@pytest.mark.parametrize("extra", ["a", "ab", "abc", "é"])
def test_bytes_are_counted_exactly(api: Any, extra: str) -> None:
    """Given a limit that is no multiple of three, every single byte beyond it is noticed."""
    room = names.BODY_MAX_BYTES - len(extra.encode())
    assert api.accept("x" * room + extra).refusal is None
    assert api.accept("x" * (room + 1) + extra).refusal == "body_too_large"


def test_an_empty_body_is_refused(api: Any) -> None:
    """Given no body, the request is refused."""
    assert api.accept("", {"Idempotency-Key": "k"}).refusal == "empty_body"


def test_a_refusal_can_not_write(api: Any) -> None:
    """Given a refusal that the store did not reject after all, its condition can't hold."""
    call = api.accept("").call
    assert "UpdateExpression" not in call
    assert call["ConditionExpression"] == "attribute_exists(id) AND attribute_not_exists(id)"

"""The HTTP contract, over nothing but HTTP and the stored item."""

import base64
import json
import uuid
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropslot.core import names

JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
BINARY = {"Content-Type": "application/octet-stream"}


def _key() -> str:
    return uuid.uuid4().hex


def _is_error(answer: httpx.Response, status: int, error: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"error", "message"}
    assert body["error"] == error
    assert body["message"]


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_request_is_accepted_at_once(stack: Any, method: str) -> None:
    """Given a request with a key, the answer is 202 with its place, and the item holds all that belongs to it."""
    key = _key()
    headers = {**TEXT, "Idempotency-Key": key, "X-Event": "push", "traceparent": "00-ab-cd-01"}
    answer = stack.http.request(method, "/notes", content="hello", headers=headers)
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["location"].endswith(f"/notes/{key}")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json() == {"id": key, "status": "pending"}
    item = stack.item("notes", key)
    status = item["status"]["S"]
    assert status[:8] == "pending-"
    assert status[8:] in names.SPREAD_DIGITS
    accepted_at = item["accepted_at"]["N"]
    assert len(accepted_at) == 13
    assert item == {
        "id": {"S": f"{stack.caller}#notes#{key}"},
        "request": {"S": "hello"},
        "type": {"S": "notes"},
        "content_type": {"S": "text/plain"},
        "headers": {"M": {"X-Event": {"S": "push"}, "traceparent": {"S": "00-ab-cd-01"}}},
        "accepted_at": {"N": accepted_at},
        "attempt": {"N": "0"},
        "tries": {"N": "0"},
        "status": {"S": status},
        "queue": {"S": status},
        "due_at": {"N": accepted_at},
    }


def test_who_proves_nothing_is_taken_only_where_nobody_is_asked(stack: Any) -> None:
    """Given a call without signature or key, it is refused and leaves nothing, unless the API is open to all."""
    key, asked = _key(), stack.caller != names.NO_CALLER
    answer = stack.http.put("/notes", content="b", headers={**TEXT, "Idempotency-Key": key}, auth=None)
    assert (answer.status_code in {403, 404}, stack.item("notes", key) is None) == (asked, asked), answer.text


def test_a_request_without_a_key_gets_an_id(stack: Any) -> None:
    """Given no key, each request is a new one, and its id leads to it."""
    answers = [stack.http.post("/notes", content="same", headers=TEXT) for _ in range(2)]
    ids = {answer.json()["id"] for answer in answers}
    assert len(ids) == 2
    for answer in answers:
        assert answer.status_code == 202
        client_id = answer.json()["id"]
        assert client_id.startswith("@")
        assert stack.http.get(f"/notes/{client_id}").json()["id"] == client_id


def test_a_repeat_answers_the_present_state(stack: Any) -> None:
    """Given a repeat of a pending, then failed, then done request, nothing but the answer changes."""
    key = _key()
    headers = {**TEXT, "Idempotency-Key": key}
    assert stack.http.put("/notes", content="b", headers=headers).status_code == 202
    stored = stack.item("notes", key)
    assert stack.http.put("/notes", content="b", headers=headers).json() == {"id": key, "status": "pending"}
    assert stack.item("notes", key) == stored
    stack.settle("notes", key, error="it's out of stock")
    failed = stack.item("notes", key)
    answer = stack.http.put("/notes", content="b", headers=headers)
    assert answer.status_code == 200
    assert answer.json() == {"id": key, "status": "failed", "error": "it's out of stock"}
    assert stack.item("notes", key) == failed


def test_a_repeat_does_not_bring_a_done_request_back(stack: Any) -> None:
    """Given a repeat of a done request, it stays out of the unfinished ones."""
    key = _key()
    headers = {**TEXT, "Idempotency-Key": key}
    stack.http.put("/notes", content="b", headers=headers)
    stack.settle("notes", key, result='{"total": 12.5}')
    done = stack.item("notes", key)
    answer = stack.http.post("/notes", content="b", headers=headers)
    assert answer.status_code == 200
    assert answer.json() == {"id": key, "status": "done", "result": {"total": 12.5}}
    item = stack.item("notes", key)
    assert item.pop("queue", {"S": "done-"})["S"].startswith("done-")
    assert item == done


def test_another_body_under_the_same_key_is_refused(stack: Any) -> None:
    """Given the same key with another body, the answer is 422 and the first request stays as it is."""
    key = _key()
    headers = {**TEXT, "Idempotency-Key": key}
    stack.http.put("/notes", content="first", headers=headers)
    _is_error(stack.http.put("/notes", content="second", headers=headers), 422, "key_reused")
    assert stack.item("notes", key)["request"] == {"S": "first"}


def test_the_same_stored_text_in_another_encoding_is_another_body(stack: Any) -> None:
    """Given bytes and then their base64 as text under one key, the second is refused and the mark stays."""
    key = _key()
    assert stack.http.put("/notes", content=b"\xff", headers={**BINARY, "Idempotency-Key": key}).status_code == 202
    text = base64.b64encode(b"\xff")
    _is_error(stack.http.put("/notes", content=text, headers={**TEXT, "Idempotency-Key": key}), 422, "key_reused")
    other = _key()
    assert stack.http.put("/notes", content=text, headers={**TEXT, "Idempotency-Key": other}).status_code == 202
    _is_error(
        stack.http.put("/notes", content=b"\xff", headers={**BINARY, "Idempotency-Key": other}), 422, "key_reused"
    )
    assert "encoding" not in stack.item("notes", other)


def test_a_key_belongs_to_its_type(stack: Any) -> None:
    """Given the same key on two paths, they are two requests."""
    key = _key()
    stack.http.put("/notes", content="b", headers={**TEXT, "Idempotency-Key": key})
    answer = stack.http.put("/orders", content='{"dish": "soup"}', headers={**JSON, "Idempotency-Key": key})
    assert answer.status_code == 202


def test_another_header_can_hold_the_key(stack: Any) -> None:
    """Given a webhook's delivery id, it is the key; given both, the standard header wins."""
    delivery, key = _key(), _key()
    assert stack.http.post("/notes", content="b", headers={**TEXT, "X-Delivery": delivery}).json()["id"] == delivery
    both = {**TEXT, "X-Delivery": delivery, "Idempotency-Key": key}
    assert stack.http.post("/notes", content="b", headers=both).json()["id"] == key


@pytest.mark.parametrize("key", ["", "a b", "a#b", "@a", "a/b", "ä".encode(), "x" * 129])
def test_a_bad_key_is_refused(stack: Any, key: str | bytes) -> None:
    """Given a key that can't be an id, the answer is 400."""
    answer = stack.http.put("/notes", content="b", headers={**TEXT, "Idempotency-Key": key})
    _is_error(answer, 400, "bad_key")


def test_an_empty_body_is_refused(stack: Any) -> None:
    """Given no body, the answer is 400 and nothing is stored."""
    key = _key()
    _is_error(stack.http.put("/notes", headers={**TEXT, "Idempotency-Key": key}), 400, "empty_body")
    assert stack.item("notes", key) is None


@pytest.mark.parametrize(
    "body", ["{}", '{"dish": ""}', '{"dish": 3}', "[]", "soup", '{"dish": "soup"', '{"dish": NaN}', ""]
)
def test_a_body_against_the_schema_is_refused(stack: Any, body: str) -> None:
    """Given a body that breaks the schema or is no JSON, the answer is 400 and nothing is stored."""
    key = _key()
    answer = stack.http.put("/orders", content=body, headers={**JSON, "Idempotency-Key": key})
    _is_error(answer, 400, "invalid_body")
    assert stack.item("orders", key) is None


@pytest.mark.parametrize("content_type", ["image/png", "application/jsonx", "x"])
def test_an_unlisted_content_type_is_refused(stack: Any, content_type: str) -> None:
    """Given a content type the path does not list, the answer is 415."""
    answer = stack.http.put("/notes", content="b", headers={"Content-Type": content_type})
    _is_error(answer, 415, "unsupported_content_type")


def test_a_compressed_or_recoded_body_is_refused(stack: Any) -> None:
    """Given a body that would be stored damaged, the answer is 415."""
    _is_error(stack.http.put("/notes", content="b", headers={**TEXT, "Content-Encoding": "gzip"}), 415, "encoded_body")
    latin = {"Content-Type": "text/plain; charset=iso-8859-1"}
    _is_error(stack.http.put("/notes", content=b"\xe9", headers=latin), 415, "other_charset")


@pytest.mark.parametrize("client_id", ["absent", "@absent", "a%23b", "%22", "x" * 129, "%E2%80%A8"])
def test_an_unknown_id_is_404(stack: Any, client_id: str) -> None:
    """Given an id that no request has or can have, the answer is 404."""
    _is_error(stack.http.get(f"/notes/{client_id}"), 404, "unknown_id")


def test_a_path_that_is_not_there_is_an_error(stack: Any) -> None:
    """Given another path or method, the answer is 404."""
    for method, path in (("GET", "/nowhere"), ("GET", "/notes"), ("DELETE", "/notes"), ("GET", "/"), ("GET", "/x%0Ay")):
        _is_error(stack.http.request(method, path), 404, "not_found")


def test_the_state_can_be_asked_for(stack: Any) -> None:
    """Given a pending, failed and done request, GET tells each state, and never the body."""
    keys = [_key() for _ in range(3)]
    for key in keys:
        stack.http.put("/notes", content="secret", headers={**TEXT, "Idempotency-Key": key})
    stack.settle("notes", keys[1], error='"no"\n\u2028')
    stack.settle("notes", keys[2], result='["a", {"b": null}]')
    accepted_at = int(stack.item("notes", keys[0])["accepted_at"]["N"])
    answers = [stack.http.get(f"/notes/{key}") for key in keys]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].headers["content-type"] == "application/json"
    assert answers[0].json() == {"id": keys[0], "status": "pending", "accepted_at": accepted_at, "attempt": 0}
    assert answers[1].json()["error"] == '"no"\n\u2028'
    assert answers[1].json()["status"] == "failed"
    assert answers[2].json()["result"] == ["a", {"b": None}]
    assert answers[2].json()["status"] == "done"


@pytest.mark.parametrize(("age_seconds", "wait"), [(0, "1"), (50, "5"), (500, "30"), (86_400, "60")])
def test_the_older_a_request_the_longer_the_wait(stack: Any, age_seconds: int, wait: str) -> None:
    """Given unsettled requests, then a read and a repeat alike ask for a longer pause the older it is."""
    key = _key()
    headers = {**TEXT, "Idempotency-Key": key}
    assert stack.http.put("/notes", content="b", headers=headers).headers["retry-after"] == "1"
    stack.backdate("notes", key, by_ms=age_seconds * 1000)
    assert stack.http.get(f"/notes/{key}").headers["retry-after"] == wait
    assert stack.http.put("/notes", content="b", headers=headers).headers["retry-after"] == wait


def test_a_settled_request_asks_for_no_wait(stack: Any) -> None:
    """Given an outcome, neither a read nor a repeat says when to ask again."""
    key = _key()
    headers = {**TEXT, "Idempotency-Key": key}
    stack.http.put("/notes", content="b", headers=headers)
    stack.settle("notes", key, result="1")
    assert "retry-after" not in stack.http.get(f"/notes/{key}").headers
    assert "retry-after" not in stack.http.put("/notes", content="b", headers=headers).headers


BODIES = [
    json.dumps({"a": 'it\'s "quoted" \\ '}),
    "\0\x01\b\t\n\r\x1f\x7f",
    "😀𝄞漢é\u2028\u2029\ufeff",
    "#set($x=1)$x $input.body #if(true)#end ## #* *#",
    '"}}, "Key": {"id": {"S": "x',
    "{#refused_bad_key}",
    "a" * 300 * 1024,
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_text_body_is_stored_byte_for_byte(stack: Any, body: str) -> None:
    """Given any text, the item holds it unchanged."""
    key = _key()
    answer = stack.http.put("/notes", content=body.encode(), headers={**TEXT, "Idempotency-Key": key})
    assert answer.status_code == 202
    assert stack.item("notes", key)["request"]["S"] == body


@given(body=st.text(st.characters(codec="utf-8"), min_size=1))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_text_is_stored_byte_for_byte(stack: Any, body: str) -> None:
    """Given arbitrary text, the item holds it unchanged."""
    key = _key()
    answer = stack.http.put("/notes", content=body.encode(), headers={**TEXT, "Idempotency-Key": key})
    assert answer.status_code == 202
    assert stack.item("notes", key)["request"]["S"] == body


@pytest.mark.parametrize("body", [bytes(range(256)), b"\xff", b"text", b"\0" * 200_000])
def test_a_binary_body_keeps_its_bytes(stack: Any, body: bytes) -> None:
    """Given a configured binary type, the item holds the exact bytes as base64, marked."""
    key = _key()
    answer = stack.http.put("/notes", content=body, headers={**BINARY, "Idempotency-Key": key})
    assert answer.status_code == 202
    item = stack.item("notes", key)
    assert item["encoding"] == {"S": names.BASE64}
    assert base64.b64decode(item["request"]["S"]) == body


@pytest.mark.parametrize(
    ("character", "count"),
    [
        ("a", names.BODY_MAX_BYTES),
        ('"', names.BODY_MAX_ESCAPED_BYTES // 2),
        ("\x01", names.BODY_MAX_ESCAPED_BYTES // 6),
        ("漢", names.BODY_MAX_ESCAPED_BYTES // 6),
    ],
    ids=["ascii", "quotes", "control", "cjk"],
)
def test_the_largest_body_is_taken_and_one_more_is_not(stack: Any, character: str, count: int) -> None:
    """Given the largest body it is stored; one character more is 413, as is what API Gateway itself won't take."""
    key = _key()
    headers = {**TEXT, "Idempotency-Key": key}
    assert stack.http.put("/notes", content=(character * count).encode(), headers=headers).status_code == 202
    assert stack.item("notes", key)["request"]["S"] == character * count
    too_large = stack.http.put("/notes", content=(character * (count + 1)).encode(), headers=TEXT)
    _is_error(too_large, 413, "body_too_large")


def test_more_than_api_gateway_takes_is_413(stack: Any) -> None:
    """Given more than 10 MB, the answer is 413."""
    answer = stack.http.put("/notes", content=b"a" * (10 * 1024 * 1024 + 1), headers=TEXT)
    _is_error(answer, 413, "body_too_large")


def test_an_outage_is_never_an_acceptance(outage: Any) -> None:
    """Given a store that is down, the answer is 503; once it is up again, requests are accepted."""
    headers = {**TEXT, "Idempotency-Key": "k"}
    for _ in range(2):
        down = outage.http.put("/notes", content="b", headers=headers)
        _is_error(down, 503, "unavailable")
        assert down.headers["retry-after"]
        for path in ("/notes/k", "/notes/k/steps"):
            _is_error(outage.http.get(path), 503, "unavailable")
        with outage.start():
            assert outage.http.put("/notes", content="b", headers=headers).status_code == 202
            assert outage.http.get("/notes/k").status_code == 200

"""How far a request has got, over nothing but HTTP and what the consumer wrote into the journal."""

import uuid
from typing import Any

import httpx
import pytest

from tests.contract.http.stack import ACCEPTED_AT_MS, step

TEXT = {"Content-Type": "text/plain"}
TEXTS = (
    'it\'s "quoted" \\ / \\\' \\"',
    "\0\x01\b\t\n\r\x1f\x7f",
    "Zürich 漢字 😀\u2028\u2029\ufeff",
    "#set($x=1)$x $input.body #if(true)#end ## #* *#",
    '"}, {"name": "x',
    "x" * 1000,
)


def _key() -> str:
    return uuid.uuid4().hex


def _no_steps(answer: httpx.Response) -> None:
    assert answer.status_code == 404, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"error", "message"}
    assert answer.json()["error"] == "no_steps"


def test_a_request_without_steps_has_none(stack: Any) -> None:
    """Given a request that has begun no steps, or none at all, the answer is 404."""
    key = _key()
    assert stack.http.put("/notes", content="b", headers={**TEXT, "Idempotency-Key": key}).status_code == 202
    for client_id in (key, _key(), "@absent"):
        _no_steps(stack.http.get(f"/notes/{client_id}/steps"))


@pytest.mark.parametrize("client_id", ["a%23b", "%22", "x" * 129, "%E2%80%A8", "a%2Fb"])
def test_an_id_that_no_request_can_have_has_no_steps(stack: Any, client_id: str) -> None:
    """Given an id that would reach into other keys, or none, the answer is the same 404."""
    _no_steps(stack.http.get(f"/notes/{client_id}/steps"))


@pytest.mark.parametrize("key", [None, "own"])
def test_the_steps_can_be_asked_for(stack: Any, key: str | None) -> None:
    """Given a request with finished steps, GET tells each in order, and neither results nor the body."""
    headers = TEXT if key is None else {**TEXT, "Idempotency-Key": _key()}
    client_id = stack.http.put("/notes", content="secret", headers=headers).json()["id"]
    stack.walk("notes", client_id, step("reserve", ACCEPTED_AT_MS + 10), step("charge", ACCEPTED_AT_MS + 20))
    answer = stack.http.get(f"/notes/{client_id}/steps")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "retry-after" not in answer.headers
    assert answer.json() == {
        "id": client_id,
        "run": 0,
        "accepted_at": ACCEPTED_AT_MS,
        "direction": "forward",
        "steps": [
            {"name": "reserve", "at": ACCEPTED_AT_MS + 10},
            {"name": "charge", "at": ACCEPTED_AT_MS + 20},
        ],
    }
    assert "secret" not in answer.text


def test_the_newest_run_is_told(stack: Any) -> None:
    """Given runs of a request, and of an earlier one of the same id, the answer is about the newest."""
    key = _key()
    stack.walk("notes", key, step("earlier", 1), run=12, accepted_at=ACCEPTED_AT_MS - 1)
    for run in (0, 9, 10, 2):
        stack.walk("notes", key, *(step("again", at) for at in range(run)), run=run)
    told = stack.http.get(f"/notes/{key}/steps").json()
    assert (told["run"], told["accepted_at"], len(told["steps"])) == (10, ACCEPTED_AT_MS, 10)


def test_steps_belong_to_their_type(stack: Any) -> None:
    """Given the same id on another path, it has no steps."""
    key = _key()
    stack.walk("notes", key, step("one", 1))
    assert stack.http.get(f"/notes/{key}/steps").status_code == 200
    _no_steps(stack.http.get(f"/orders/{key}/steps"))


def test_a_run_that_has_just_begun_has_no_steps_yet(stack: Any) -> None:
    """Given a run that was claimed and has finished nothing, the list is empty."""
    key = _key()
    stack.walk("notes", key, owner={"S": "worker"}, lease_until={"N": "1"})
    answer = stack.http.get(f"/notes/{key}/steps")
    assert (answer.status_code, answer.json()["steps"]) == (200, [])
    assert "worker" not in answer.text


def test_what_was_undone_is_told(stack: Any) -> None:
    """Given a run that could not be undone as a whole, the answer says what was, what was not and why."""
    key = _key()
    undone = step("reserve", 5, undone_at={"N": "9"})
    stuck = step("charge", 6, undo_error={"S": "BankError: closed"})
    end = {"undoing": {"N": "1"}, "error": {"S": "Reject: no"}, "closed": {"S": "stuck"}}
    stack.walk("notes", key, undone, stuck, run=1, **end)
    assert stack.http.get(f"/notes/{key}/steps").json() == {
        "id": key,
        "run": 1,
        "accepted_at": ACCEPTED_AT_MS,
        "direction": "undo",
        "closed": "stuck",
        "error": "Reject: no",
        "steps": [
            {"name": "reserve", "at": 5, "undone_at": 9},
            {"name": "charge", "at": 6, "undo_error": "BankError: closed"},
        ],
    }


def test_a_closed_run_says_so(stack: Any) -> None:
    """Given a run that is done, the answer says that, and what the handler returned isn't in it."""
    key = _key()
    stack.walk("notes", key, step("one", 1), closed={"S": "done"}, result={"S": '"secret"'})
    answer = stack.http.get(f"/notes/{key}/steps")
    assert answer.json()["closed"] == "done"
    assert "secret" not in answer.text


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_any_text_is_told_as_it_is(stack: Any, text: str) -> None:
    """Given names and errors full of what JSON and the template language give a meaning, they arrive unchanged."""
    key = _key()
    stack.walk("notes", key, step(text, 1, undo_error={"S": text}), undoing={"N": "1"}, error={"S": text})
    told = stack.http.get(f"/notes/{key}/steps").json()
    assert (told["error"], told["steps"]) == (text, [{"name": text, "at": 1, "undo_error": text}])


def test_many_steps_are_told(stack: Any) -> None:
    """Given hundreds of steps, all are told, in order."""
    key = _key()
    stack.walk("notes", key, *(step(f"step-{at}", at) for at in range(500)))
    told = stack.http.get(f"/notes/{key}/steps").json()["steps"]
    assert [each["at"] for each in told] == list(range(500))

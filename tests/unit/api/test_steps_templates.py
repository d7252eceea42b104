"""How far a request has got: one query for the newest run, and an answer that is valid JSON and holds no result."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropslot.core import names

TEXT = st.text(st.characters(codec="utf-8"))
AT = 1_764_381_600_000


def _step(name: str, *, at: int = AT, **more: dict[str, str]) -> dict[str, Any]:
    return {"M": {"name": {"S": name}, "result": {"S": '{"card": "secret"}'}, "at": {"N": str(at)}, **more}}


def _journal(*steps: dict[str, Any], run: int = 0, **more: dict[str, str]) -> dict[str, Any]:
    key = {"id": {"S": "AROA#orders#k"}, "run": {"S": names.run_key(AT, run)}}
    return {"Count": 1, "Items": [{**key, "steps": {"L": list(steps)}, **more}]}


def test_the_newest_run_is_asked_for(api: Any) -> None:
    """Given an id, the call is one strongly consistent query of its partition, newest first, for one item."""
    call = api.steps("k", identity={"caller": "AROA:session"}).call
    assert call.pop("ExpressionAttributeNames") == {
        f"#{name}": name for name in ("id", "run", "steps", "undoing", "closed", "error")
    }
    assert call == {
        "TableName": "journal",
        "KeyConditionExpression": "#id = :id",
        "ConsistentRead": True,
        "ScanIndexForward": False,
        "Limit": 1,
        "ProjectionExpression": "#id, #run, #steps, #undoing, #closed, #error",
        "ExpressionAttributeValues": {":id": {"S": "AROA#orders#k"}},
    }


@given(client_id=st.one_of(TEXT, st.sampled_from(["@x", "a#b", '"', "x" * 129, "#end", "$hash"])))
@settings(max_examples=150, deadline=None)
def test_no_id_reaches_beyond_its_caller(api: Any, client_id: str) -> None:
    """Given any id, it is refused, or it is the whole last part of a key of this caller."""
    call = api.steps(client_id)
    if call.refusal is not None:
        assert call.refusal == "no_steps"
    else:
        assert call.value(":id") == f"-#orders#{client_id}"
        assert "#" not in client_id


def test_finished_steps_are_told_in_order(api: Any) -> None:
    """Given a run under way, the answer names its steps in order, and no result."""
    answered = api.walked(_journal(_step("reserve"), _step("charge", at=AT + 5)))
    steps = [{"name": "reserve", "at": AT}, {"name": "charge", "at": AT + 5}]
    expected = {"id": "k", "run": 0, "accepted_at": AT, "direction": "forward", "steps": steps}
    assert (answered.status, answered.body) == (200, expected)
    assert answered.headers == {}


def test_what_was_undone_is_told(api: Any) -> None:
    """Given a run that was undone but for one step, the answer says which, why, and what it was undone for."""
    undone = _step("reserve", undone_at={"N": str(AT + 9)})
    stuck = _step("charge", undo_error={"S": 'BankError: "closed"'})
    answered = api.walked(
        _journal(undone, stuck, run=12, undoing={"N": "1"}, closed={"S": "stuck"}, error={"S": "Reject: it's late"})
    )
    assert answered.body == {
        "id": "k",
        "run": 12,
        "accepted_at": AT,
        "direction": "undo",
        "closed": "stuck",
        "error": "Reject: it's late",
        "steps": [
            {"name": "reserve", "at": AT, "undone_at": AT + 9},
            {"name": "charge", "at": AT, "undo_error": 'BankError: "closed"'},
        ],
    }


@pytest.mark.parametrize("run", [0, 1, 10, 100, 1_000, 1_234, 9_999, 10_000])
def test_a_run_is_a_number(api: Any, run: int) -> None:
    """Given any run, the answer has it without the digits that its key is filled up with."""
    assert api.walked(_journal(run=run)).body["run"] == run


def test_a_run_without_steps_has_none(api: Any) -> None:
    """Given a run that was only claimed, with or without a list for its steps, the answer is an empty list."""
    claimed = _journal()
    assert api.walked(claimed).body["steps"] == []
    del claimed["Items"][0]["steps"]
    answered = api.walked(claimed)
    assert (answered.status, answered.body["steps"]) == (200, [])


@given(name=TEXT, error=TEXT, undo_error=TEXT)
@settings(max_examples=150, deadline=None)
def test_any_text_is_told_as_it_is(api: Any, name: str, error: str, undo_error: str) -> None:
    """Given any names and errors, the answer is valid JSON with just these."""
    body = api.walked(_journal(_step(name, undo_error={"S": undo_error}), error={"S": error})).body
    (step,) = body["steps"]
    assert (step["name"], step.get("undo_error", ""), body.get("error", "")) == (name, undo_error, error)


def test_no_journal_is_404(api: Any) -> None:
    """Given an empty answer, there are no steps."""
    answered = api.walked({"Count": 0, "Items": [], "ScannedCount": 0})
    assert (answered.status, answered.body["error"]) == (404, "no_steps")
    assert answered.body["message"]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"Count": 1, "Items": []},
        {"Count": 1, "Items": [{"id": {"S": "-#orders#k"}}]},
        {"Count": 1, "Items": [{"id": {"S": "-#orders#k"}, "run": {"S": "odd"}}]},
        {"Count": 1, "Items": [{"run": {"S": "1#0000"}}]},
    ],
)
def test_an_answer_that_is_not_understood_is_an_error(api: Any, answer: object) -> None:
    """Given a success that holds no journal, the integration's own 500 stays."""
    answered = api.walked(answer)
    assert (answered.status, answered.body["error"]) == (None, "internal")


def test_faults_are_those_of_the_other_calls(api: Any) -> None:
    """Given a throttled or unavailable store, the answer is what the other calls say."""
    kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
    throttled = api.walked({"__type": kind}, r"4\d{2}")
    assert (throttled.status, throttled.body["error"], throttled.headers) == (429, "throttled", {"Retry-After": "1"})
    assert api.walked({}, r"5\d{2}").body["error"] == "unavailable"

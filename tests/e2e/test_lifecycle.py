"""From accept to outcome, and what a repeat of the same request meets at each point."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.e2e.pipeline import Pipeline

ORDER = json.dumps({"restaurant": "Da Enzo", "items": [{"dish": "funghi", "quantity": 2}]})


def _assert_stored(answer: httpx.Response, status_code: int, state: dict[str, Any]) -> None:
    assert (answer.status_code, answer.json()) == (status_code, state), answer.text


def test_an_order_is_accepted_at_once_and_done_with_its_result(pipeline: Pipeline) -> None:
    """Given an order, when it is handed in, then the answer is 202 with a place to ask, and there it becomes done."""
    answer = pipeline.put("orders", ORDER, key="lifecycle-1", content_type="application/json")

    _assert_stored(answer, 202, {"id": "lifecycle-1", "status": "pending"})
    assert answer.headers["location"] == "/orders/lifecycle-1"
    assert int(answer.headers["retry-after"]) >= 1

    state = pipeline.outcome("orders", "lifecycle-1")
    accepted_at = state.pop("accepted_at")
    assert state == {
        "id": "lifecycle-1",
        "status": "done",
        "result": {"total_cents": 2200, "ready_in_minutes": 14},
        "attempt": 0,
    }
    item = pipeline.item("orders", "lifecycle-1")
    assert item is not None
    assert item["accepted_at"] == {"N": str(accepted_at)}
    assert item["request"] == {"S": ORDER}
    assert "queue" not in item
    assert "error" not in item


def test_an_order_that_the_handler_rejects_is_failed_with_its_reason(pipeline: Pipeline) -> None:
    """Given an order the kitchen can't make, when it is handed in, then it becomes failed and says why."""
    order = json.dumps({"restaurant": "Da Enzo", "items": [{"dish": "fugu", "quantity": 1}]})

    request_id = pipeline.submit("orders", order, content_type="application/json")

    state = pipeline.outcome("orders", request_id)
    assert (state["status"], state["error"]) == ("failed", "'fugu' is not on the menu")
    assert "result" not in state
    item = pipeline.item("orders", request_id)
    assert item is not None
    assert "ttl" not in item


def test_an_order_against_the_schema_is_refused_and_not_stored(pipeline: Pipeline) -> None:
    """Given a body that breaks its type's schema, when it is handed in, then the answer is 400 and nothing is kept."""
    answer = pipeline.put("orders", '{"items": []}', key="against-schema", content_type="application/json")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_body")
    assert pipeline.item("orders", "against-schema") is None


def test_repeats_before_the_outcome_run_nothing_more(pipeline: Pipeline) -> None:
    """Given a pending or waiting request, when it is handed in again, then it answers 202 and its runs stay its own."""
    body = json.dumps({"do": "late", "seconds": 1})
    choices: dict[str, Any] = {"key": "repeat-pending", "content_type": "application/json"}
    pipeline.submit("tasks", body, **choices)
    for _ in range(5):
        _assert_stored(pipeline.put("tasks", body, **choices), 202, {"id": "repeat-pending", "status": "pending"})

    later = json.dumps({"do": "retry_later", "times": 1, "seconds": 3})
    waiting: dict[str, Any] = {"key": "repeat-waiting", "content_type": "application/json"}
    pipeline.submit("tasks", later, **waiting)
    pipeline.await_status("tasks", "repeat-waiting", "waiting")
    _assert_stored(pipeline.put("tasks", later, **waiting), 202, {"id": "repeat-waiting", "status": "waiting"})

    states = pipeline.settled("tasks", ["repeat-pending", "repeat-waiting"])
    assert {state["status"] for state in states.values()} == {"done"}
    assert pipeline.runs("tasks", "repeat-pending") == [0]
    assert pipeline.runs("tasks", "repeat-waiting") == [0, 1]


def test_repeats_after_the_outcome_answer_it_and_run_nothing(pipeline: Pipeline) -> None:
    """Given a done and a failed request, when they are handed in again, then both answer 200 with their outcome.

    And none runs again, the failed one keeps its error, and the done one stays out of what the sweep looks at.
    """
    done, failed = json.dumps({"do": "return", "value": {"n": 1}}), json.dumps({"do": "reject", "why": "too late"})
    keys = {"repeat-done": done, "repeat-failed": failed}
    for key, body in keys.items():
        pipeline.submit("tasks", body, key=key, content_type="application/json")
    pipeline.settled("tasks", list(keys))
    before = pipeline.counters()
    feeds = pipeline.feeds()

    for key, body in keys.items():
        for _ in range(3):
            answer = pipeline.put("tasks", body, key=key, content_type="application/json")
            expected = (
                {"status": "done", "result": {"n": 1}} if body is done else {"status": "failed", "error": "too late"}
            )
            _assert_stored(answer, 200, {"id": key, **expected})
            assert answer.headers["location"] == f"/tasks/{key}"
        assert pipeline.put("tasks", body + " ", key=key, content_type="application/json").status_code == 422

    # What stands behind the repeats in the stream has been through, so they have been too.
    pipeline.settled("notes", pipeline.submit_all("notes", [f"behind {n}" for n in range(8)]))
    assert pipeline.runs("tasks", "repeat-done") == [0]
    assert pipeline.runs("tasks", "repeat-failed") == [0]
    pipeline.await_counted(before, handler_runs=8)
    item = pipeline.item("tasks", "repeat-done")
    assert item is not None
    assert item["status"]["S"].startswith("done-")
    assert not item.get("queue", {"S": "done"})["S"].startswith("pending")
    changes = [change["dynamodb"]["NewImage"] for change in pipeline.table_changes(feeds)]
    assert {image["status"]["S"][:4] for image in changes if image["id"]["S"] == "-#tasks#repeat-done"} <= {"done"}


def test_one_key_from_many_clients_is_one_request(pipeline: Pipeline) -> None:
    """Given one key sent by many clients at once, with two bodies, then one body wins, the other is 422, one run."""
    bodies = ["margherita", "funghi"] * 12
    with ThreadPoolExecutor(len(bodies)) as clients:
        answers = list(clients.map(lambda body: pipeline.put("notes", body, key="contended"), bodies))

    taken = {body for body, answer in zip(bodies, answers, strict=True) if answer.status_code in {200, 202}}
    assert len(taken) == 1
    assert [answer.status_code == 422 for answer in answers] == [body not in taken for body in bodies]
    assert pipeline.outcome("notes", "contended")["result"]["bytes"] == len(taken.pop())
    assert pipeline.runs("notes", "contended") == [0]

"""Steps on the whole pipeline, with either consumer: kept, resumed behind, undone; also when a worker dies in one.

The shared stack's handlers have 2 s: on a busy machine a saga may be parked between two steps. So these tests count
calls of steps, not attempts.
"""

import json
import os
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from dropslot.core import names
from dropslot.core.journal import DONE, UNDONE
from dropslot.local.options import KCL, LAMBDA
from dropslot.local.up import as_running
from dropslot.operate.running import announced
from tests.e2e.conftest import MAPPING, MakePipeline
from tests.e2e.handlers import calls_of_steps, gate, saga_steps
from tests.e2e.pipeline import Pipeline, eventually, item_id
from tests.integration.operate.operator import run

STEPS: Final = saga_steps()
TOO_LATE: Final = "it can't be there in time"
KINDS: Final = ("sagas", "async-sagas")
#: How long a test waits for what begins with a restart of the consumer.
RESTARTED_SECONDS: Final = 180.0


def saga(pipeline: Pipeline, type_name: str = "sagas", **says: Any) -> str:
    """Hand in a saga of handlers.py; return its id."""
    return pipeline.submit(type_name, json.dumps(says), content_type="application/json")


def calls(pipeline: Pipeline, type_name: str, request_id: str) -> list[tuple[str, str]]:
    """Return which steps were called, and which undone, in order."""
    lines = calls_of_steps(pipeline.run_log, item_id(type_name, request_id))
    return [(line["what"], line["name"]) for line in lines]


def keys(pipeline: Pipeline, type_name: str, request_id: str) -> list[str]:
    """Return the keys that the calls of its steps had, in order."""
    return [line["key"] for line in calls_of_steps(pipeline.run_log, item_id(type_name, request_id))]


def journals(pipeline: Pipeline, type_name: str, request_id: str) -> list[dict[str, Any]]:
    """Read the journals of a request's runs as they are stored, the first run first."""
    return pipeline.dynamodb.query(
        TableName=pipeline.stack.info.journal_table,
        KeyConditionExpression="id = :id",
        ExpressionAttributeValues={":id": {"S": item_id(type_name, request_id)}},
        ConsistentRead=True,
    )["Items"]


def shown(pipeline: Pipeline, type_name: str, request_id: str) -> dict[str, Any]:
    """Ask the API for a request's steps."""
    answer = pipeline.http.get(f"/{type_name}/{request_id}/steps")
    assert answer.status_code == 200, answer.text
    steps: dict[str, Any] = answer.json()
    return steps


def done(*steps: str) -> list[tuple[str, str]]:
    """Return the calls of steps."""
    return [("do", step) for step in steps]


def undone(*steps: str) -> list[tuple[str, str]]:
    """Return the calls of the undos of steps, the last one first."""
    return [("undo", step) for step in reversed(steps)]


@pytest.mark.parametrize("type_name", KINDS)
def test_a_saga_is_done_step_by_step(pipeline: Pipeline, type_name: str) -> None:
    """Given five steps, then each runs once, with a key of its own, and the journal tells when."""
    request_id = saga(pipeline, type_name)

    state = pipeline.outcome(type_name, request_id)
    assert (state["status"], state["result"]) == ("done", {"results": [1] * 5})
    assert calls(pipeline, type_name, request_id) == done(*STEPS)
    run_key = f"{item_id(type_name, request_id)}#{state['accepted_at']}#0"
    assert keys(pipeline, type_name, request_id) == [f"{run_key}#{step}" for step in STEPS]

    (journal,) = journals(pipeline, type_name, request_id)
    item = pipeline.item(type_name, request_id)
    assert item is not None
    assert journal["run"] == {"S": f"{state['accepted_at']}#0000"}
    assert journal["closed"] == {"S": DONE}
    assert json.loads(journal["result"]["S"]) == state["result"]
    assert [step["M"]["result"] for step in journal["steps"]["L"]] == [{"S": "1"}] * 5
    assert "owner" not in journal
    assert "lease_until" not in journal
    assert int(journal["ttl"]["N"]) > int(item["ttl"]["N"])

    answer = shown(pipeline, type_name, request_id)
    assert (answer["id"], answer["run"], answer["direction"], answer["closed"]) == (request_id, 0, "forward", "done")
    assert answer["accepted_at"] == state["accepted_at"]
    assert [step["name"] for step in answer["steps"]] == STEPS
    at = [step["at"] for step in answer["steps"]]
    assert at == sorted(at)
    assert at[0] >= state["accepted_at"]


@pytest.mark.parametrize("type_name", KINDS)
def test_a_saga_that_fails_is_undone_from_its_end(pipeline: Pipeline, type_name: str) -> None:
    """Given a fourth step that is refused, then the three before it are undone in reverse, and the request fails."""
    request_id = saga(pipeline, type_name, do={"step-4": "reject"})

    state = pipeline.outcome(type_name, request_id)
    assert (state["status"], state["error"]) == ("failed", "step-4 is refused")
    assert calls(pipeline, type_name, request_id) == done(*STEPS[:4]) + undone(*STEPS[:3])
    assert keys(pipeline, type_name, request_id)[-1].endswith("#0#step-1#undo")

    (journal,) = journals(pipeline, type_name, request_id)
    assert journal["closed"] == {"S": UNDONE}
    assert journal["undoing"] == {"N": "1"}
    assert journal["error"] == {"S": "step-4 is refused"}
    assert all("undone_at" in step["M"] for step in journal["steps"]["L"])
    # It is kept: a failed request stays, and may be retried.
    assert "ttl" not in journal
    item = pipeline.item(type_name, request_id)
    assert item is not None
    assert item["error"] == journal["error"]

    answer = shown(pipeline, type_name, request_id)
    assert (answer["direction"], answer["closed"], answer["error"]) == ("undo", "undone", "step-4 is refused")
    assert [step["name"] for step in answer["steps"]] == STEPS[:3]
    assert all(step["undone_at"] >= step["at"] for step in answer["steps"])


def test_what_can_not_be_undone_is_told_and_stops_no_other_undo(pipeline: Pipeline, work_dir: Path) -> None:
    """Given an undo that is refused, then the others are undone, and request and journal tell what is left.

    When an operator has it undone, then only that one is called again, and nothing runs anew.
    """
    request_id = saga(pipeline, end="reject", undo={"step-3": "reject first"})

    state = pipeline.outcome("sagas", request_id)
    assert state["error"] == f"{TOO_LATE}; not undone: step-3 (Reject: step-3 is refused)"
    assert calls(pipeline, "sagas", request_id) == done(*STEPS) + undone(*STEPS)
    answer = shown(pipeline, "sagas", request_id)
    assert (answer["direction"], answer["closed"], answer["error"]) == ("undo", "stuck", state["error"])
    left = {step["name"]: step["undo_error"] for step in answer["steps"] if "undone_at" not in step}
    assert left == {"step-3": "Reject: step-3 is refused"}

    _retry(pipeline, work_dir, request_id, "--undo")
    eventually(lambda: pipeline.state("sagas", request_id).get("error") == TOO_LATE)
    assert calls(pipeline, "sagas", request_id)[2 * len(STEPS) :] == undone("step-3")
    answer = shown(pipeline, "sagas", request_id)
    assert (answer["run"], answer["closed"]) == (0, "undone")
    assert all("undone_at" in step for step in answer["steps"])


@pytest.mark.parametrize("type_name", KINDS)
def test_a_step_that_asks_for_later_is_the_first_to_run_then(pipeline: Pipeline, type_name: str) -> None:
    """Given a third step that raises `RetryLater`, then the next attempt begins with it, under the same key."""
    request_id = saga(pipeline, type_name, do={"step-3": "later"})

    state = pipeline.outcome(type_name, request_id)
    assert (state["status"], state["result"]) == ("done", {"results": [1, 1, 2, 1, 1]})
    assert calls(pipeline, type_name, request_id) == done(*STEPS[:3], *STEPS[2:])
    assert len(set(keys(pipeline, type_name, request_id))) == len(STEPS)
    (journal,) = journals(pipeline, type_name, request_id)
    assert (journal["began"], journal["attempt"]) == ({"N": "0"}, {"N": str(state["attempt"])})
    assert state["attempt"] >= 1


def test_a_request_that_waits_shows_how_far_it_is(pipeline: Pipeline) -> None:
    """Given a request that waits for its third step, then its steps can be asked for, without what they returned."""
    request_id = saga(pipeline, do={"step-3": "closed for a while"})
    eventually(lambda: ("do", "step-3") in calls(pipeline, "sagas", request_id))
    pipeline.await_status("sagas", request_id, "waiting")

    answer = shown(pipeline, "sagas", request_id)
    assert [step.keys() for step in answer["steps"]] == [{"name", "at"}] * 2
    assert (answer["direction"], "closed" in answer) == ("forward", False)
    assert pipeline.outcome("sagas", request_id)["status"] == "done"


def test_a_saga_that_is_given_up_is_undone(pipeline: Pipeline) -> None:
    """Given a step that asks for later until the schedule ends, then what was done before it is undone."""
    request_id = saga(pipeline, do={"step-3": "closed"})

    assert pipeline.outcome("sagas", request_id)["error"] == "step-3 is closed (given up after 3 tries)"
    assert calls(pipeline, "sagas", request_id) == done(*STEPS[:3], "step-3", "step-3") + undone(*STEPS[:2])


def test_who_has_no_steps_has_none_to_show(pipeline: Pipeline) -> None:
    """Given a handler without steps, or no request at all, then there is nothing to show."""
    plain = pipeline.task("return", value=1)
    pipeline.outcome("tasks", plain)
    for place in (f"/tasks/{plain}/steps", "/sagas/nobody/steps"):
        answer = pipeline.http.get(place)
        assert (answer.status_code, answer.json()["error"]) == (404, "no_steps")


def test_a_retry_after_all_was_undone_begins_anew(pipeline: Pipeline, work_dir: Path) -> None:
    """Given a saga that was undone, when an operator retries it, then all runs again, as run 1, under new keys."""
    request_id = saga(pipeline, do={"step-3": "reject first"})
    assert pipeline.outcome("sagas", request_id)["error"] == "step-3 is refused"

    _retry(pipeline, work_dir, request_id)
    eventually(lambda: pipeline.state("sagas", request_id)["status"] == "done")

    state = pipeline.state("sagas", request_id)
    # What was undone is done again: each second call is the only one of its run.
    assert state["result"] == {"results": [2, 2, 2, 1, 1]}
    assert calls(pipeline, "sagas", request_id) == done(*STEPS[:3]) + undone(*STEPS[:2]) + done(*STEPS)
    first, second = journals(pipeline, "sagas", request_id)
    assert [journal["run"]["S"] for journal in (first, second)] == [f"{state['accepted_at']}#000{n}" for n in (0, 1)]
    assert (first["closed"], second["closed"]) == ({"S": UNDONE}, {"S": DONE})
    assert int(second["began"]["N"]) > int(first["attempt"]["N"])
    assert [key.split("#")[4] for key in keys(pipeline, "sagas", request_id)] == ["0"] * 5 + ["1"] * 5
    assert shown(pipeline, "sagas", request_id)["run"] == 1


@pytest.mark.parametrize("consumer", [KCL, LAMBDA])
def test_a_death_in_the_middle_of_a_step_repeats_that_step_alone(make_pipeline: MakePipeline, consumer: str) -> None:
    """Given processes that die in the third of five steps, on the way there or back, then only that one runs twice.

    They die of the step itself, and by SIGKILL while several requests are in theirs.
    """
    settings = {"DROPSLOT_STEP_LEASE_SECONDS": "2", "DROPSLOT_HANDLER_TIMEOUT_SECONDS": "25"}
    with make_pipeline(settings, consumer=consumer, mapping=MAPPING) as pipeline:
        there = saga(pipeline, do={"step-3": "die"})
        _assert_done(pipeline, "sagas", there)
        back = saga(pipeline, end="reject", undo={"step-3": "die"})
        _assert_undone(pipeline, back)

        held_there = {type_name: saga(pipeline, type_name, do={"step-3": "hold"}) for type_name in KINDS}
        held_back = [saga(pipeline, end="reject", undo={"step-3": "hold"}) for _ in range(2)]
        for type_name, request_id in held_there.items():
            _await_call(pipeline, type_name, request_id, ("do", "step-3"))
        for request_id in held_back:
            _await_call(pipeline, "sagas", request_id, ("undo", "step-3"))
        _kill_workers(pipeline)
        gate(pipeline.run_log).touch()

        for type_name, request_id in held_there.items():
            _assert_done(pipeline, type_name, request_id)
        for request_id in held_back:
            _assert_undone(pipeline, request_id)


def _retry(pipeline: Pipeline, work_dir: Path, request_id: str, *options: str) -> None:
    with announced(as_running(pipeline.stack.info), work_dir):
        outcome = run("retry", request_id, "--type", "sagas", "--yes", "--json", *options)
    assert json.loads(outcome.out)["redriven"] == 1, outcome.all


def _assert_done(pipeline: Pipeline, type_name: str, request_id: str) -> None:
    state = pipeline.settled(type_name, [request_id], RESTARTED_SECONDS)[request_id]
    assert (state["status"], state.get("result")) == (names.DONE, {"results": [1, 1, 2, 1, 1]}), state
    assert calls(pipeline, type_name, request_id) == done(*STEPS[:3], *STEPS[2:])
    assert _closed(pipeline, type_name, request_id) == DONE
    assert max(Counter(keys(pipeline, type_name, request_id)).values()) == 2


def _assert_undone(pipeline: Pipeline, request_id: str) -> None:
    state = pipeline.settled("sagas", [request_id], RESTARTED_SECONDS)[request_id]
    assert (state["status"], state.get("error")) == (names.FAILED, TOO_LATE), state
    assert calls(pipeline, "sagas", request_id) == done(*STEPS) + undone(*STEPS[2:]) + undone(*STEPS[:3])
    assert _closed(pipeline, "sagas", request_id) == UNDONE


def _closed(pipeline: Pipeline, type_name: str, request_id: str) -> str:
    (journal,) = journals(pipeline, type_name, request_id)
    return str(journal["closed"]["S"])


def _await_call(pipeline: Pipeline, type_name: str, request_id: str, call: tuple[str, str]) -> None:
    eventually(lambda: call in calls(pipeline, type_name, request_id))


def _kill_workers(pipeline: Pipeline) -> None:
    """Kill every process that runs handlers, with no chance to say anything."""
    pids = [pid for name, pid in pipeline.stack.info.pids.items() if name.startswith("dropslot-stream")]
    for pid in (*pipeline.stack.shard_pids().values(), *pids):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

"""Whatever a handler does, its request gets a clear outcome, and the others go on."""

from pathlib import Path
from typing import Any, Final

import pytest

from dropslot.core import names
from tests.e2e.handlers import largest_result
from tests.e2e.pipeline import Pipeline

#: Given up after the schedule's two waits.
HUNG: Final = "the handler did not return within 2 s (given up after 3 tries)"


@pytest.mark.parametrize(
    ("type_name", "do", "error", "runs"),
    [
        ("tasks", "raise", "ValueError: no such dish", [0, 0]),
        ("tasks", "reject", "no reason given", [0]),
        ("tasks", "shy", "ShyError: (its message can't be read)", [0, 0]),
        ("tasks", "exit", "SystemExit: 3", [0, 0]),
        ("tasks", "interrupt", "KeyboardInterrupt", [0, 0]),
        ("tasks", "stop_iteration", "StopIteration", [0, 0]),
        ("tasks", "nan", "the handler returned a value that is not JSON: ValueError: Out of range float values", [0]),
        ("tasks", "object", "the handler returned a value that is not JSON: TypeError: Object of type object", [0]),
        ("tasks", "bytes", "the handler returned a value that is not JSON: TypeError: Object of type bytes", [0]),
        ("tasks", "deep", "the handler returned a value that is not JSON: RecursionError", [0]),
        ("tasks", "ring", "the handler returned a value that is not JSON: ValueError: Circular reference", [0]),
        ("tasks", "huge_number", "the handler returned a value that is not JSON: ValueError: Exceeds the limit", [0]),
        ("tasks", "too_large", "the handler's result is too large: 16388 bytes of JSON, the limit is 16384", [0]),
        ("tasks", "surrogate", "half a pair: ", [0]),
        ("tasks", "surrogate_error", "ValueError: half a pair: ", [0, 0]),
        ("async-tasks", "raise", "ValueError: no such dish", [0, 0]),
        ("async-tasks", "exit", "SystemExit: 3", [0, 0]),
        ("async-tasks", "cancelled", "CancelledError", [0, 0]),
    ],
)
def test_what_can_not_succeed_is_failed_and_says_why(
    pipeline: Pipeline, type_name: str, do: str, error: str, runs: list[int]
) -> None:
    """Given a handler that raises, exits or returns nonsense, then its request is failed, with the reason."""
    request_id = pipeline.task(do, type_name)

    state = pipeline.outcome(type_name, request_id)
    assert state["status"] == "failed"
    assert state["error"].startswith(error)
    assert pipeline.runs(type_name, request_id) == runs


def test_a_rejection_keeps_its_reason(pipeline: Pipeline) -> None:
    """Given reasons with all that escaping trips over, when a handler rejects with them, then GET gives them back."""
    reasons = ["'it's' \"closed\" \\ \u2028 \N{SLICE OF PIZZA} $x #end \x01", "a\nb"]
    ids = {pipeline.task("reject", why=reason): reason for reason in reasons}

    states = pipeline.settled("tasks", list(ids))
    assert {request_id: state["error"] for request_id, state in states.items()} == ids


def test_a_long_error_is_cut_between_characters(pipeline: Pipeline) -> None:
    """Given an error of 8 KB in wide characters, then what is kept of it is a whole number of them."""
    state = pipeline.outcome("tasks", pipeline.task("long_error"))

    assert state["status"] == "failed"
    assert len(state["error"].encode()) <= names.ERROR_MAX_BYTES
    assert state["error"].count("\N{SLICE OF PIZZA}") >= 250


def test_a_returned_string_is_the_error(pipeline: Pipeline) -> None:
    """Given a handler that returns a string, then its request is failed with it, and an empty one is named so."""
    error, empty = pipeline.task("return", value="sold out"), pipeline.task("return", value="")

    states = pipeline.settled("tasks", [error, empty])
    assert (states[error]["status"], states[error]["error"]) == ("failed", "sold out")
    assert (states[empty]["status"], states[empty]["error"]) == ("failed", "no reason given")


@pytest.mark.parametrize("value", [None, 0, False, [], {}, 1.5, ["\u2028'\"\\"], {"a": {"b": [None, "\x01"]}}])
def test_any_other_json_value_is_the_result(pipeline: Pipeline, value: Any) -> None:
    """Given a handler that returns JSON that is no string, then its request is done with it; nothing stays nothing."""
    state = pipeline.outcome("tasks", pipeline.task("return", value=value))

    assert state["status"] == "done"
    assert state.get("result") == value
    assert ("result" in state) == (value is not None)


def test_half_a_surrogate_pair_in_a_result_does_no_harm(pipeline: Pipeline) -> None:
    """Given a result that JSON can hold and UTF-8 can't, then its request is settled, and GET answers JSON."""
    state = pipeline.outcome("tasks", pipeline.task("surrogate_result"))

    assert state["status"] in {"done", "failed"}


def test_the_largest_result_is_kept(pipeline: Pipeline) -> None:
    """Given a result of just the limit, then its request is done with it."""
    assert pipeline.outcome("tasks", pipeline.task("largest"))["result"] == largest_result()


def test_an_error_that_passes_in_process_costs_no_attempt(pipeline: Pipeline) -> None:
    """Given a handler that meets a lost connection once, then its second try in process succeeds: attempt 0."""
    request_id = pipeline.task("flaky", failures=1)

    state = pipeline.outcome("tasks", request_id)
    assert (state["status"], state["attempt"]) == ("done", 0)
    assert pipeline.runs("tasks", request_id) == [0, 0]


def test_an_error_that_passes_later_costs_one_attempt(pipeline: Pipeline) -> None:
    """Given a handler that meets a lost connection in both tries, then it waits and succeeds in attempt 1."""
    request_id = pipeline.task("flaky", failures=2)

    waiting = pipeline.await_status("tasks", request_id, "waiting")
    assert waiting["attempt"] == 0
    state = pipeline.outcome("tasks", request_id)
    assert (state["status"], state["attempt"], state["result"]) == ("done", 1, {"runs": 3})
    item = pipeline.item("tasks", request_id)
    assert item is not None
    assert item["last_error"] == {"S": "ConnectionError: the kitchen doesn't answer"}
    assert item["tries"] == {"N": "1"}


def test_an_error_that_does_not_pass_fails_at_the_end_of_the_schedule(pipeline: Pipeline) -> None:
    """Given a handler that never gets through, then it is tried on the schedule and then failed with its error."""
    flaky, asks = pipeline.task("flaky", failures=100), pipeline.task("retry_later", times=100)

    states = pipeline.settled("tasks", [flaky, asks])
    given_up = "(given up after 3 tries)"
    assert states[flaky]["error"] == f"ConnectionError: the kitchen doesn't answer {given_up}"
    assert states[asks]["error"] == f"the kitchen is closed {given_up}"
    assert pipeline.runs("tasks", flaky) == [0, 0, 1, 1, 2, 2]
    assert pipeline.runs("tasks", asks) == [0, 1, 2]


def test_a_handler_decides_when_it_is_run_again(pipeline: Pipeline) -> None:
    """Given `RetryLater(after_seconds=3)`, then the next attempt comes that much later, not as the schedule says."""
    request_id = pipeline.task("retry_later", times=1, seconds=3)

    state = pipeline.outcome("tasks", request_id)
    assert (state["status"], state["attempt"], state["result"]) == ("done", 1, {"attempt": 1})
    item = pipeline.item("tasks", request_id)
    assert item is not None
    assert int(item["due_at"]["N"]) - state["accepted_at"] >= 3000


def test_hung_handlers_are_failed_in_the_end_and_hold_up_nobody(pipeline: Pipeline) -> None:
    """Given handlers that never return, sync and async, when 200 requests follow, then those settle before them."""
    sync = [pipeline.task("hang") for _ in range(4)]
    asynchronous = [pipeline.task("hang", "async-tasks") for _ in range(4)]

    following = pipeline.submit_all("notes", [f"behind a hung one {n}" for n in range(200)])
    pipeline.settled("notes", following)

    hung = {**pipeline.settled("tasks", sync), **pipeline.settled("async-tasks", asynchronous)}
    assert {(state["status"], state["error"], state["attempt"]) for state in hung.values()} == {("failed", HUNG, 2)}
    assert all(pipeline.runs("tasks", request_id) == [0, 1, 2] for request_id in sync)
    assert all(pipeline.runs("async-tasks", request_id) == [0, 1, 2] for request_id in asynchronous)

    def settled_at(type_name: str, ids: list[str]) -> list[int]:
        items = [pipeline.item(type_name, request_id) for request_id in ids]
        return [int(item["due_at"]["N"]) for item in items if item is not None]

    # On a slow machine the last of them may take longer than it takes to give the hung ones up.
    first_hung = min(settled_at("tasks", sync) + settled_at("async-tasks", asynchronous))
    assert sum(settled < first_hung for settled in settled_at("notes", following)) >= len(following) // 2


def test_a_handler_that_was_cancelled_has_not_succeeded(pipeline: Pipeline) -> None:
    """Given an async handler that returns because it is cancelled at its limit, then that is no success."""
    request_id = pipeline.task("ignore_cancel", "async-tasks")

    state = pipeline.outcome("async-tasks", request_id)
    assert (state["status"], state.get("error")) == ("failed", HUNG)
    assert pipeline.runs("async-tasks", request_id) == [0, 1, 2]


def test_a_success_past_the_limit_still_counts(pipeline: Pipeline) -> None:
    """Given a handler that returns after its limit, then its request is done, by that run or by the next attempt."""
    request_id = pipeline.task("late", seconds=2.4)

    state = pipeline.outcome("tasks", request_id)
    assert state["status"] == "done"
    assert state["result"]["attempt"] in {0, 1}
    assert pipeline.runs("tasks", request_id) in ([0], [0, 1])


def test_a_handler_that_writes_and_reads_everywhere_does_not_meet_the_daemon(pipeline: Pipeline) -> None:
    """Given a handler that prints lines of the daemon's protocol and reads its input, then nothing comes of it."""
    pids = pipeline.stack.shard_pids()
    noisy = [pipeline.task("noise") for _ in range(6)]

    states = pipeline.settled("tasks", noisy)
    assert {str(state.get("result")) for state in states.values()} == {str({"read": ""})}
    assert all(pipeline.runs("tasks", request_id) == [0] for request_id in noisy)
    pipeline.settled("notes", pipeline.submit_all("notes", ["behind the noise", "and again", "and more"]))
    assert pipeline.stack.shard_pids() == pids


def test_no_payload_reaches_a_log(pipeline: Pipeline) -> None:
    """Given bodies, headers, errors and results that hold a secret, when they are through, then no log holds it."""
    secret = "hunter2-hunter2"
    keyed = [pipeline.task("raise", message=secret), pipeline.task("reject", why=secret)]
    keyed.append(pipeline.task("return", value=[secret]))
    pipeline.settled("tasks", keyed)
    pipeline.outcome("notes", pipeline.submit("notes", secret, headers={"X-Note": secret}))
    assert pipeline.put("notes", secret, content_type="image/gif").status_code == 415
    assert pipeline.put("orders", f'{{"x": "{secret}"', content_type="application/json").status_code == 400
    assert pipeline.put("orders", f'{{"restaurant": "{secret}"}}', content_type="application/json").status_code == 400

    logs = list(Path(pipeline.stack.info.logs).glob("*.log"))
    assert {log.name for log in logs} >= {"consumer.log", "gateway.log", "relay.log"}
    assert [log.name for log in logs if secret.encode() in log.read_bytes()] == []

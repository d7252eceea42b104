"""What only the Lambda consumer has: environments that die of a batch, a failure destination, positions of its own."""

import base64
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from dropslot.core import names
from dropslot.core.policy import KILLED_ITS_WORKER
from dropslot.local.options import LAMBDA
from dropslot.local.process import is_running
from tests.e2e.conftest import MAPPING, MakePipeline
from tests.e2e.pipeline import Pipeline, Record, eventually, item_id


def test_poison_is_failed_and_a_restart_goes_on(make_pipeline: MakePipeline) -> None:
    """Given a request that ends its environment, then it is failed and all others are done, nothing is given up.

    When the consumer is killed and started again, then it goes on behind what it has resolved.
    """
    with make_pipeline({}, consumer=LAMBDA, mapping=MAPPING) as pipeline:
        before = pipeline.submit_all("notes", [f"before {n}" for n in range(20)])
        poison = pipeline.task("die_without", file="/nowhere")
        after = pipeline.submit_all("notes", [f"after {n}" for n in range(20)])

        state = pipeline.outcome("tasks", poison)
        assert (state["status"], state["error"]) == (names.FAILED, KILLED_ITS_WORKER)
        states = pipeline.settled("notes", [*before, *after])
        assert {state["status"] for state in states.values()} == {names.DONE}
        assert _given_up(pipeline) == []
        pipeline.await_checkpoints()

        environments = [pid for name, pid in pipeline.stack.info.pids.items() if name.startswith("dropslot-")]
        assert environments
        pipeline.stack.kill("consumer")
        eventually(lambda: not any(is_running(pid) for pid in environments))
        runs = pipeline.all_runs()
        pipeline.stack.restart("consumer")
        assert pipeline.outcome("notes", pipeline.submit("notes", "after the restart"))["status"] == names.DONE
        assert {key: pipeline.all_runs()[key] for key in runs} == runs


def test_a_record_of_the_failure_destination_is_enough_to_run_its_requests_again(
    make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    """Given requests whose environment died and no retries, then their records are given up, and they stay pending.

    When the cause is mended and the data of these records comes into the stream again, then all of them are done.
    """
    mended = tmp_path / "mended"
    # Delivered once: what may have ended a process over and over is failed instead.
    mapping = replace(MAPPING, retry_attempts=0, bisect=False)
    with make_pipeline({}, consumer=LAMBDA, mapping=mapping) as pipeline:
        ids = [pipeline.task("die_without", file=str(mended)) for _ in range(3)]
        wanted = {item_id("tasks", request_id) for request_id in ids}

        eventually(lambda: {_id(record) for each in _given_up(pipeline) for record in _records(each)} == wanted)
        assert {pipeline.state("tasks", request_id)["status"] for request_id in ids} == {names.PENDING}
        assert {each["requestContext"]["condition"] for each in _given_up(pipeline)} == {"RetryAttemptsExhausted"}

        mended.touch()
        pipeline.inject([record for each in _given_up(pipeline) for record in _records(each)])
        states = pipeline.settled("tasks", ids)
        assert {state["status"] for state in states.values()} == {names.DONE}


def test_a_persistent_stack_goes_on_where_it_stopped(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    """Given a stack with --persist that has stopped, when it starts again, then only what is new is delivered."""
    choices: dict[str, Any] = {"consumer": LAMBDA, "mapping": MAPPING, "persist": tmp_path / "data"}
    with make_pipeline({}, **choices) as pipeline:
        pipeline.settled("notes", pipeline.submit_all("notes", [f"before {n}" for n in range(20)]))
        pipeline.await_checkpoints()

    with make_pipeline({}, **choices) as pipeline:
        before = pipeline.counters()
        pipeline.settled("notes", pipeline.submit_all("notes", [f"after {n}" for n in range(5)]))
        pipeline.await_counted(before, records=5)
        assert list(pipeline.all_runs().values()) == [[0]] * 25


def _given_up(pipeline: Pipeline) -> list[dict[str, Any]]:
    folder = pipeline.stack.info.failures
    assert folder is not None
    found = (Path(place, name) for place, _, files in os.walk(folder) for name in files if not name.startswith("."))
    return [json.loads(file.read_bytes()) for file in found]


def _records(given_up: dict[str, Any]) -> list[Record]:
    return [
        Record(key=each["kinesis"]["partitionKey"], data=base64.b64decode(each["kinesis"]["data"]))
        for each in json.loads(given_up["payload"])["Records"]
    ]


def _id(record: Record) -> str:
    return str(record.change["dynamodb"]["Keys"][names.ID]["S"])

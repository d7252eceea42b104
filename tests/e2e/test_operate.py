"""An operator at a running pipeline, with either consumer: what failed runs again, and a pause holds everything."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from dropslot.local import consumer_state
from dropslot.local.options import KCL
from dropslot.local.up import as_running
from dropslot.operate.running import announced
from dropslot.runtimes.kcl.health import judge
from tests.e2e.downstream import downstream
from tests.e2e.pipeline import Pipeline, eventually, item_id
from tests.integration.operate.operator import run

Operate = Callable[..., Any]

#: Given up after the schedule's two waits.
REFUSED: Final = "ConnectionRefusedError: [Errno 111] Connection refused (given up after 3 tries)"


@pytest.fixture
def operate(pipeline: Pipeline, work_dir: Path) -> Iterator[Operate]:
    """Run a command with --json beside the pipeline; it must end well. Whatever happens, no pause is left behind."""

    def operate(*words: str) -> Any:
        outcome = run(*words, "--json")
        assert outcome.code == 0, outcome.all
        return json.loads(outcome.out)

    with announced(as_running(pipeline.stack.info), work_dir):
        try:
            yield operate
        finally:
            operate("resume")


def _consumer_dir(pipeline: Pipeline) -> Path:
    return Path(pipeline.stack.info.state) / "consumer"


def test_what_failed_in_an_outage_is_settled_by_one_retry(pipeline: Pipeline, operate: Operate) -> None:
    """Given a server that is down for longer than the schedule, others go on; once it is up, one retry settles all."""
    with downstream() as kitchen:
        other = pipeline.task("reject", why="not on the menu")
        ids = [pipeline.task("call", port=kitchen.port) for _ in range(40)]
        notes = pipeline.submit_all("notes", [f"meanwhile {number}" for number in range(40)])
        unharmed = pipeline.settled("notes", notes)
        # The checkpoints pass all of them, although they are waiting.
        pipeline.await_checkpoints()
        states = pipeline.settled("tasks", [*ids, other])

        assert {(state["status"], state["attempt"]) for state in unharmed.values()} == {("done", 0)}
        assert {states[each]["error"] for each in ids} == {REFUSED}
        # Twice in process each time, and never before the schedule's one second has passed.
        assert [pipeline.runs("tasks", each) for each in ids] == [[0, 0, 1, 1, 2, 2]] * len(ids)
        times = pipeline.run_times()
        for runs in (times[item_id("tasks", each)] for each in ids):
            assert runs[2] - runs[1] >= 1000
            assert runs[4] - runs[3] >= 1000

        kitchen.open()
        assert operate("retry", "--error", "ConnectionRefusedError*", "--dry-run")["failed"] == len(ids)
        report = operate("retry", "--error", "ConnectionRefusedError*", "--yes")

        assert report["redriven"] == len(ids)
        settled = pipeline.settled("tasks", ids)
    assert {(state["status"], state["result"]["answer"]) for state in settled.values()} == {("done", "served\n")}
    assert [pipeline.runs("tasks", each) for each in ids] == [[0, 0, 1, 1, 2, 2, 3]] * len(ids)
    assert pipeline.state("tasks", other) == states[other]


def test_a_consumer_that_is_well_has_no_problems(pipeline: Pipeline, operate: Operate) -> None:
    """Given a running consumer and nothing to do, each shard is read by somebody, and nothing is wrong."""
    pipeline.outcome("tasks", pipeline.task("return", value=1))
    pipeline.await_checkpoints()

    lag = operate("lag")

    assert not lag["paused"]
    assert lag["problems"] == []
    assert {(shard["state"], bool(shard["owner"])) for shard in lag["shards"]} <= {("idle", True), ("moving", True)}


def test_a_pause_holds_everything_but_the_way_in(pipeline: Pipeline, operate: Operate) -> None:
    """Given a pause, requests are accepted and nothing runs, the consumer is well; after it, each runs once."""
    is_kcl = pipeline.stack.info.consumer == KCL
    before = pipeline.task("return", value=1)
    assert pipeline.outcome("tasks", before)["status"] == "done"

    operate("pause", "--reason", "the kitchen is closed")
    if is_kcl:
        eventually(lambda: consumer_state.is_paused(_consumer_dir(pipeline)))
    feeds = pipeline.feeds()
    ids = [pipeline.task("return", value=number) for number in range(20)]
    # They have reached the stream: from here on only the pause keeps them from being run.
    eventually(lambda: len(pipeline.records(feeds)) >= len(ids))

    lag = operate("lag")
    assert lag["paused"]
    assert {shard["state"] for shard in lag["shards"]} == {"paused"}
    assert max(shard["behind_ms"] for shard in lag["shards"]) > 0
    assert lag["problems"] == []
    assert not any(pipeline.runs("tasks", each) for each in ids)
    assert {pipeline.state("tasks", each)["status"] for each in ids} == {"pending"}
    pipeline.stack.check()
    if is_kcl:
        assert pipeline.stack.shard_pids() == {}
        health = judge(_consumer_dir(pipeline), now_epoch_seconds=_beat_at(pipeline), shard_silent_seconds=60)
        assert health.healthy, health.reason

    operate("resume")
    states = pipeline.settled("tasks", ids)
    assert {(state["status"], state["attempt"]) for state in states.values()} == {("done", 0)}
    assert [len(pipeline.runs("tasks", each)) for each in ids] == [1] * 20


def _beat_at(pipeline: Pipeline) -> float:
    """Return when the supervisor beat last."""
    worker = json.loads((_consumer_dir(pipeline) / "worker.json").read_text())
    return float(worker["beat_epoch_seconds"])

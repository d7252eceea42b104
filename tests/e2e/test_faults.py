"""The table out of reach, and a stream that skips: nothing accepted is lost, and only what is stored is accepted."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from dropslot.core import names
from dropslot.local.relay import state as relay_states
from dropslot.local.relay.faults import Faults
from tests.e2e.conftest import MakePipeline
from tests.e2e.pipeline import Pipeline, eventually, item_id


def test_a_stopped_table_is_never_a_202_and_loses_nothing(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    """Given requests under way, when DynamoDB stops, then the API answers JSON 503, and once it is back all settle."""
    with make_pipeline({}, persist=tmp_path / "data") as pipeline:
        before = pipeline.submit_all("notes", [f"before {n}" for n in range(20)])
        under_way = [pipeline.task("late", seconds=1.5) for _ in range(8)]
        eventually(lambda: len(pipeline.all_runs().keys() & {item_id("tasks", one) for one in under_way}) == 8)

        pipeline.stack.kill("dynamodb")

        for _ in range(3):
            _assert_unavailable(pipeline.put("notes", "while it is away", key="while-away"))
            _assert_unavailable(pipeline.http.get(f"/notes/{before[0]}"))
        # Handlers end while the table is away: their outcomes have to wait for it.
        eventually(lambda: "table_unreachable" in _consumer_log(pipeline))

        pipeline.stack.restart("dynamodb")

        assert pipeline.http.get("/notes/while-away").status_code == 404
        repeated = pipeline.submit("notes", "while it is away", key="while-away")
        after = pipeline.submit_all("notes", [f"after {n}" for n in range(20)])
        states = {
            **pipeline.settled("notes", [*before, repeated, *after]),
            **pipeline.settled("tasks", under_way),
        }
        assert {state["status"] for state in states.values()} == {names.DONE}
        runs = pipeline.all_runs()
        assert {runs[item_id("tasks", one)][0] for one in under_way} == {0}


def _assert_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"] == "unavailable"


def test_the_sweep_brings_what_the_stream_skips(make_pipeline: MakePipeline) -> None:
    """Given a stream that skips a fifth, repeats and reorders, when 60 requests come, then every one is settled."""
    settings = {
        "DROPSLOT_HANDLER_TIMEOUT_SECONDS": "1",
        "DROPSLOT_SWEEP_GRACE_SECONDS": "2.5",
    }
    with make_pipeline(settings, faults=Faults(skip=0.2, duplicate=0.2, reorder=0.2, seed=3)) as pipeline:
        feeds = pipeline.feeds()
        quick = pipeline.submit_all("notes", [f"note {n}" for n in range(48)])
        retried = pipeline.submit_all(
            "tasks",
            [json.dumps({"do": "flaky", "failures": 2, "n": n}) for n in range(12)],
            content_type="application/json",
        )

        states = {**pipeline.settled("notes", quick, 90), **pipeline.settled("tasks", retried, 90)}

        assert {state["status"] for state in states.values()} == {names.DONE}
        assert max(state["attempt"] for state in states.values()) >= 1
        counters = relay_states.read(Path(pipeline.stack.info.state) / "relay.json").counters
        assert counters["skipped"] >= 10
        assert counters["duplicated"] >= 10
        assert counters["reordered"] >= 10
        keys = [item_id("notes", one) for one in quick] + [item_id("tasks", one) for one in retried]
        assert _outcomes(pipeline.table_changes(feeds)) == Counter(keys)


def _outcomes(changes: list[dict[str, Any]]) -> Counter[str]:
    """Count by item how often it was settled, as the table itself tells."""
    settled = {names.DONE, names.FAILED}
    return Counter(
        change["dynamodb"]["Keys"]["id"]["S"]
        for change in changes
        if _status(change, "NewImage") in settled and _status(change, "OldImage") not in settled
    )


def _status(change: dict[str, Any], image: str) -> str:
    return str(change["dynamodb"].get(image, {}).get("status", {}).get("S", ""))[:-2]


def _consumer_log(pipeline: Pipeline) -> str:
    return (Path(pipeline.stack.info.logs) / "consumer.log").read_text(errors="replace")

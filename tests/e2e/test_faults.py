"""The table out of reach: nothing accepted is lost, and only what is stored is accepted."""

from pathlib import Path

import httpx
import pytest

from dropslot.core import names
from dropslot.local.options import KCL, LAMBDA
from tests.e2e.conftest import MAPPING, MakePipeline
from tests.e2e.pipeline import Pipeline, eventually, item_id


@pytest.mark.parametrize("consumer", [KCL, LAMBDA])
def test_a_stopped_table_is_never_a_202_and_loses_nothing(
    make_pipeline: MakePipeline, tmp_path: Path, consumer: str
) -> None:
    """Given requests under way, when DynamoDB stops, then the API answers JSON 503, and once it is back all settle."""
    with make_pipeline({}, consumer=consumer, mapping=MAPPING, persist=tmp_path / "data") as pipeline:
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


def _consumer_log(pipeline: Pipeline) -> str:
    return (Path(pipeline.stack.info.logs) / "consumer.log").read_text(errors="replace")

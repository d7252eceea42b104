"""`dropslot replay` beside a running pipeline, with either consumer: what it redrives is run once more, and no more."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dropslot.local.up import as_running
from dropslot.operate.running import announced
from tests.e2e.pipeline import Pipeline, item_id
from tests.integration.operate.operator import run


def replayed(*words: str) -> dict[str, Any]:
    """Replay, and return the summary; it must end well."""
    outcome = run("replay", *words, "--json")
    assert outcome.code == 0, outcome.all
    summary: dict[str, Any] = json.loads(outcome.out.splitlines()[-1])
    return summary


def test_what_is_forced_runs_once_more(pipeline: Pipeline, work_dir: Path) -> None:
    """Given done and deleted requests, by --force each of the done runs once more; of the deleted, the named one."""
    start = datetime.fromtimestamp(time.time() - 1, UTC).isoformat()
    ids = [pipeline.task("return", value=number) for number in range(12)]
    pipeline.settled("tasks", ids)
    forgotten, named = ids[:2], ids[1]
    kept = ids[2:]
    with announced(as_running(pipeline.stack.info), work_dir):
        assert run("requests", "delete", *forgotten, "--type", "tasks", "--yes").code == 0
        pipeline.await_checkpoints()
        words = [word for each in ids for word in ("--id", each)]
        here = ("--from", start, "--type", "tasks")

        dry = replayed(*here, *words, "--dry-run")["classes"]
        assert (dry["done"], dry["gone"], dry["would_run"]) == (10, 2, 0)
        assert replayed(*here, *words)["fates"]["redriven"] == 0
        chosen = [word for each in (named, *kept) for word in ("--id", each)]
        assert replayed(*here, *chosen, "--force", "--yes")["fates"]["redriven"] == 11
        states = pipeline.settled("tasks", [named, *kept])

        assert {(state["status"], state["attempt"]) for state in states.values()} == {("done", 1)}
        assert [pipeline.runs("tasks", each) for each in (named, *kept)] == [[0, 1]] * 11
        assert [states[each]["result"] for each in kept] == list(range(2, 12))
        assert pipeline.item_of(item_id("tasks", forgotten[0])) is None

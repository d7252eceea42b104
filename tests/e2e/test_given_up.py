"""What a batch leaves that Lambda has given up: a document in the failure destination, by which it can be run again."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dropslot.core import names
from dropslot.local.options import LAMBDA
from dropslot.local.up import as_running
from dropslot.operate.running import announced
from tests.e2e.conftest import MAPPING, MakePipeline
from tests.e2e.pipeline import Pipeline, eventually, item_id
from tests.integration.operate.operator import run

#: A batch is one request, delivered once.
ONE_BY_ONE = replace(MAPPING, batch_size=1, bisect=False, retry_attempts=0)
#: The sweep leaves alone what is given up, for as long as any wait of a test and some more.
PATIENT = {"DROPSLOT_SWEEP_GRACE_SECONDS": "600"}


def test_a_document_names_what_is_to_be_redriven_and_nothing_else(
    make_pipeline: MakePipeline, tmp_path: Path, work_dir: Path
) -> None:
    """Given requests that were given up one by one, when two of the documents are replayed, then just these two run.

    The document is enough: by what is in it the requests are found among all others that are pending.
    """
    mended = tmp_path / "mended"
    with (
        make_pipeline(PATIENT, consumer=LAMBDA, mapping=ONE_BY_ONE) as pipeline,
        announced(as_running(pipeline.stack.info), work_dir),
    ):
        ids = [pipeline.task("die_without", file=str(mended)) for _ in range(4)]
        eventually(lambda: len(_documents(pipeline)) == len(ids))
        mended.touch()

        chosen = {id_ for document in _documents(pipeline)[:2] for id_ in _replayed(document)}
        assert len(chosen) == 2
        redriven = [one for one in ids if item_id("tasks", one) in chosen]
        states = pipeline.settled("tasks", redriven)
        assert {(state["status"], state["attempt"]) for state in states.values()} == {(names.DONE, 1)}
        for other in set(ids) - set(redriven):
            assert pipeline.state("tasks", other)["status"] == names.PENDING
            assert pipeline.runs("tasks", other) == [0]
        # A second time by the same documents changes nothing: what they name has moved on.
        assert not any(_replayed(document) for document in _documents(pipeline)[:2])


def _documents(pipeline: Pipeline) -> list[Path]:
    folder = pipeline.stack.info.failures
    assert folder is not None
    return sorted(file for file in Path(folder).rglob("*") if file.is_file() and not file.name.startswith("."))


def _replayed(document: Path) -> list[str]:
    """Replay a document, without the sweep's grace; return the ids of what was redriven."""
    outcome = run("replay", "--failures", str(document), "--grace", "0", "--json")
    assert outcome.code == 0, outcome.all
    acted_on: list[Mapping[str, Any]] = [json.loads(line) for line in outcome.out.splitlines()[:-1]]
    return [line["id"] for line in acted_on]

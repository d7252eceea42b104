"""What a batch leaves that Lambda has given up: a document in the failure destination, by which it can be run again."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from dropslot.adapters.requests.dynamodb import DynamoDBRequests
from dropslot.core import names
from dropslot.core.change import Change, parse
from dropslot.core.item import State, Unfinished
from dropslot.core.transitions import redrive
from dropslot.engine.ports import WriteResult
from dropslot.local.clients import dynamodb_client
from dropslot.local.options import LAMBDA
from dropslot.runtimes.lambda_.event import stream_records
from tests.e2e.conftest import MAPPING, MakePipeline
from tests.e2e.pipeline import Pipeline, eventually, item_id

#: A batch is one request, delivered once.
ONE_BY_ONE = replace(MAPPING, batch_size=1, bisect=False, retry_attempts=0)


def test_a_document_names_what_is_to_be_redriven_and_nothing_else(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    """Given requests that were given up one by one, when two of the documents are redriven by, then just these two run.

    The document is enough: by what is in it the requests are found among all others that are pending.
    """
    mended = tmp_path / "mended"
    with make_pipeline({}, consumer=LAMBDA, mapping=ONE_BY_ONE) as pipeline:
        ids = [pipeline.task("die_without", file=str(mended)) for _ in range(4)]
        eventually(lambda: len(_documents(pipeline)) == len(ids))
        mended.touch()

        given_up = [state for document in _documents(pipeline)[:2] for state in _requests_of(document, pipeline)]
        assert asyncio.run(_redrive(pipeline, given_up)) == [WriteResult.APPLIED] * 2

        chosen = {state.id for state in given_up}
        redriven = [one for one in ids if item_id("tasks", one) in chosen]
        states = pipeline.settled("tasks", redriven)
        assert {(state["status"], state["attempt"]) for state in states.values()} == {(names.DONE, 1)}
        for other in set(ids) - set(redriven):
            assert pipeline.state("tasks", other)["status"] == names.PENDING
            assert pipeline.runs("tasks", other) == [0]
        # A second time by the same documents changes nothing: what they name has moved on.
        assert asyncio.run(_redrive(pipeline, given_up)) == []


def _documents(pipeline: Pipeline) -> list[dict[str, Any]]:
    folder = pipeline.stack.info.failures
    assert folder is not None
    files = [file for file in Path(folder).rglob("*") if file.is_file() and not file.name.startswith(".")]
    return [json.loads(file.read_bytes()) for file in sorted(files)]


def _requests_of(document: Mapping[str, Any], pipeline: Pipeline) -> list[State]:
    """Return the requests of a document, as they were when their records were made."""
    changes = [
        parse(record.data, pipeline.stack.info.table) for record in stream_records(json.loads(document["payload"]))
    ]
    assert all(isinstance(change, Change) for change in changes)
    return [change.state for change in changes if isinstance(change, Change)]


async def _redrive(pipeline: Pipeline, given_up: Sequence[State]) -> Sequence[WriteResult]:
    """Redrive these requests as the sweep does, without its grace; those that have moved on stay as they are."""
    now_ms = time.time_ns() // 1_000_000
    info = pipeline.stack.info
    with closing(dynamodb_client(info.dynamodb_endpoint)) as client:
        requests = DynamoDBRequests(client, info.table)
        rows: list[Unfinished] = []
        for queue in {names.stored_status(state.status, state.digit) for state in given_up}:
            rows += await requests.unfinished(queue, due_before_ms=now_ms, limit=100)
        wanted = {(state.id, state.accepted_at, state.attempt) for state in given_up}
        chosen = [row for row in rows if (row.state.id, row.state.accepted_at, row.state.attempt) in wanted]
        return await requests.write([redrive(row, due_at=now_ms) for row in chosen])

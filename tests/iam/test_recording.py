"""The snapshot of what was recorded still holds for the code as it is."""

import os
from pathlib import Path

import pytest

from dropslot.local.doctor import missing_for_kcl
from tests.iam import snapshot
from tests.iam.feedback import push_outcomes
from tests.iam.operators import operate
from tests.iam.pipeline import (
    API,
    CONSUMER,
    NOTIFY_FUNCTION,
    OPERATOR,
    SOCKET_FUNCTION,
    STREAM_FUNCTION,
    SWEEP_FUNCTION,
    VIEWER,
    running_pipeline,
)
from tests.iam.record import run_functions, work_in_steps


@pytest.fixture(autouse=True)
def _needs_parts() -> None:
    if missing := missing_for_kcl(os.environ):
        if os.environ.get("CI") == "true":
            pytest.fail(f"the stack can't run: {missing}")
        pytest.skip(str(missing))


def test_a_fresh_start_needs_nothing_new(tmp_path: Path) -> None:
    """Given empty tables, when consumer, operators and functions do their work, then all that they called is known."""
    with running_pipeline(tmp_path / "pipeline") as pipeline:
        pipeline.send("one")
        pipeline.await_done("one")
        work_in_steps(pipeline)
        operate(pipeline)
        run_functions(pipeline)
        push_outcomes(pipeline)
    fresh, known = pipeline.recorder.recorded, snapshot.read()
    assert {role: sorted(needs - known[role]) for role, needs in fresh.items()} == {role: [] for role in known}
    seen = {(role, need.action, need.resource) for role, needs in fresh.items() for need in needs}
    # Else nothing was recorded at all.
    assert seen >= {
        (API, "dynamodb:UpdateItem", "requests"),
        (API, "dynamodb:Query", "journal"),
        (CONSUMER, "dynamodb:PartiQLUpdate", "requests"),
        (CONSUMER, "dynamodb:UpdateItem", "journal"),
        (CONSUMER, "dynamodb:UpdateItem", "leases"),
        (CONSUMER, "kinesis:GetRecords", "stream"),
        (STREAM_FUNCTION, "dynamodb:PartiQLUpdate", "requests"),
        (STREAM_FUNCTION, "dynamodb:UpdateItem", "journal"),
        (SWEEP_FUNCTION, "dynamodb:Query", "requests/index/unfinished"),
        (SOCKET_FUNCTION, "execute-api:ManageConnections", "websocket/POST"),
        (NOTIFY_FUNCTION, "execute-api:ManageConnections", "websocket/POST"),
        (VIEWER, "dynamodb:Scan", "leases"),
        (OPERATOR, "dynamodb:PutItem", "requests"),
    }


def test_all_parts_that_call_were_recorded() -> None:
    """Given the snapshot, then it has each part of both variants, those that push outcomes, and operators."""
    functions = {STREAM_FUNCTION, SWEEP_FUNCTION, SOCKET_FUNCTION, NOTIFY_FUNCTION}
    assert set(snapshot.read()) == {API, CONSUMER, *functions, VIEWER, OPERATOR}

"""What the functions that push outcomes go through while their calls are recorded."""

import time
from typing import Any, Final

from dropslot.local.stack import CONSUMER
from tests.conftest import FreshTable
from tests.iam.pipeline import NOTIFY_FUNCTION, SOCKET_FUNCTION, Pipeline
from tests.iam.tables import connections_table
from tests.integration.lambda_.callbacks import Callbacks
from tests.integration.lambda_.conftest import Deployed
from tests.unit.core.images import data, record
from tests.unit.runtimes.lambda_.feedback import socket_event, watch_event
from tests.unit.runtimes.lambda_.stand import event, lambda_record

_CONNECTIONS: Final = "connections"
_KEY: Final = "key#orders#watched"
_HELD: Final = ("one=", "two=", "gone=")


def push_outcomes(pipeline: Pipeline) -> None:
    """Connect, watch what is settled, unsettled and unknown, say nonsense, go; push to those who stay, and who left."""
    # Else it settles what is watched.
    pipeline.stack.halt(CONSUMER)
    info = pipeline.stack.info
    pipeline.dynamodb.create_table(**connections_table(_CONNECTIONS))
    table = FreshTable(name=info.table, stream_arn="", endpoint=info.dynamodb_endpoint)
    functions = Deployed(table, pipeline.dynamodb, pipeline.folder)
    variables = {"DROPSLOT_CONNECTIONS": _CONNECTIONS, "DROPSLOT_AUTH": "api_key"}
    with Callbacks.running() as callbacks:
        try:
            _watch(pipeline, functions, callbacks, variables)
            _push(pipeline, functions, callbacks, variables)
        finally:
            # Before the server: they keep connections to it.
            functions.close()


def _watch(pipeline: Pipeline, functions: Deployed, callbacks: Callbacks, variables: dict[str, str]) -> None:
    functions.accept(_KEY, {"do": "work"})
    functions.accept("key#orders#failed", {}, status="failed-a", error="no")
    with (
        pipeline.recorder.tapped(SOCKET_FUNCTION, pipeline.proxy.url, pipeline.places) as tap,
        pipeline.recorder.tapped(SOCKET_FUNCTION, _origin(callbacks), pipeline.places) as back,
    ):
        socket = functions.function(
            "dropslot_socket.handler",
            AWS_ENDPOINT_URL_DYNAMODB=tap,
            DROPSLOT_CALLBACK_URL=f"{back}/local",
            **variables,
        )
        for connection in (*_HELD, "brief="):
            _answered(socket.invoke(socket_event("$connect", connection=connection, apiKeyId="key")))
            _answered(socket.invoke(watch_event("watched", "failed", "nobody", connection=connection)))
        _answered(socket.invoke(socket_event("$default", "nonsense", connection="brief=")))
        _answered(socket.invoke(socket_event("$disconnect", connection="brief=")))
    assert sorted(frame["status"] for frame in callbacks.told("one=")) == ["failed", "pending", "unknown"]


def _push(pipeline: Pipeline, functions: Deployed, callbacks: Callbacks, variables: dict[str, str]) -> None:
    before = functions.item(_KEY)
    accepted_at = int(before["accepted_at"]["N"])
    functions.accept(_KEY, {}, status="done-a", queue=None, ttl=2_000_000_000, accepted_at=accepted_at)
    payload = data(record(functions.item(_KEY), before, table=functions.table.name))
    callbacks.gone = {"gone="}
    with (
        pipeline.recorder.tapped(NOTIFY_FUNCTION, pipeline.proxy.url, pipeline.places) as tap,
        pipeline.recorder.tapped(NOTIFY_FUNCTION, _origin(callbacks), pipeline.places) as back,
    ):
        notify = functions.function(
            "dropslot_notify.handler",
            AWS_ENDPOINT_URL_DYNAMODB=tap,
            DROPSLOT_CALLBACK_URL=f"{back}/local",
            **variables,
        )
        answer = notify.invoke(event(lambda_record(payload, 1, time.time())))
    assert answer == {"returned": {"batchItemFailures": []}}, answer
    assert [callbacks.told(connection)[-1]["status"] for connection in ("one=", "two=")] == ["done", "done"]


def _answered(answer: dict[str, Any] | None) -> None:
    assert answer == {"returned": {"statusCode": 200}}, answer


def _origin(callbacks: Callbacks) -> str:
    return callbacks.url.rpartition("/")[0]

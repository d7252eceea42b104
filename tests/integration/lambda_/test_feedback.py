"""The functions of feedback in processes of their own, over DynamoDB Local and a server that takes their frames."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from dropslot.core.feedback import CONNECTION
from tests.contract.watches.conftest import make_connections_table
from tests.integration.lambda_.callbacks import Callbacks
from tests.integration.lambda_.conftest import Batch, Deployed, Process
from tests.unit.core.images import data, record
from tests.unit.runtimes.lambda_.feedback import socket_event, watch_event
from tests.unit.runtimes.lambda_.stand import lambda_record

OK: Final = {"returned": {"statusCode": 200}}
ALL_RESOLVED: Final[dict[str, object]] = {"returned": {"batchItemFailures": []}}


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Both functions, and what clients got."""

    deployed: Deployed
    callbacks: Callbacks
    connections: str
    socket: Process
    notify: Process

    def outcome(self, request_id: str, before: dict[str, Any]) -> dict[str, Any]:
        """Return the record of the change from an image to how the item stands."""
        now = time.time()
        payload = data(record(self.deployed.item(request_id), before, table=self.deployed.table.name))
        return lambda_record(payload, 1, now)

    def watchers(self) -> list[str]:
        """Return the connections of all watches."""
        items = self.deployed.client.scan(TableName=self.connections)["Items"]
        return sorted(str(item[CONNECTION]["S"]) for item in items if not item["id"]["S"].startswith("@"))


@pytest.fixture
def feedback(deployed: Deployed) -> Iterator[Stand]:
    """Both functions over a table of requests and one of connections; anybody may connect with an API key."""
    connections = f"connections-{uuid.uuid4().hex[:12]}"
    make_connections_table(deployed.client, connections)
    with Callbacks.running() as callbacks:
        variables = {
            "DROPSLOT_CONNECTIONS": connections,
            "DROPSLOT_CALLBACK_URL": callbacks.url,
            "DROPSLOT_AUTH": "api_key",
        }
        yield Stand(
            deployed=deployed,
            callbacks=callbacks,
            connections=connections,
            socket=deployed.function("dropslot_socket.handler", **variables),
            notify=deployed.function("dropslot_notify.handler", **variables),
        )
        # Before the server: they keep connections to it.
        deployed.close()


def test_an_outcome_reaches_who_watches_from_the_request_to_the_push(feedback: Stand, batch: Batch) -> None:
    """Given two connections of one key that watch, when the request is run, then both are told, and watch no more."""
    accepted = feedback.deployed.accept("key1#orders#a", {"do": "work"})
    before = feedback.deployed.item("key1#orders#a")
    for connection in ("one=", "two="):
        assert feedback.socket.invoke(socket_event("$connect", connection=connection, apiKeyId="key1")) == OK
        assert feedback.socket.invoke(watch_event("a", connection=connection)) == OK
    pending = {"id": "a", "type": "orders", "status": "pending"}
    assert feedback.callbacks.frames() == [("one=", pending), ("two=", pending)]
    assert feedback.watchers() == ["one=", "two="]

    assert feedback.deployed.function("dropslot_stream.handler").invoke(batch(accepted)) == ALL_RESOLVED
    assert feedback.notify.invoke(batch(feedback.outcome("key1#orders#a", before))) == ALL_RESOLVED
    done = {"id": "a", "type": "orders", "status": "done", "result": {"did": "work", "attempt": 0}}
    assert feedback.callbacks.told("one=") == [pending, done]
    assert feedback.callbacks.told("two=") == [pending, done]
    assert feedback.watchers() == []
    assert feedback.callbacks.unsigned == 0


def test_what_is_settled_is_answered_at_once_and_what_is_foreign_is_unknown(feedback: Stand) -> None:
    """Given a settled request of one key and a client of another, then only the first key's client learns of it."""
    feedback.deployed.accept("key1#orders#a", {}, status="failed-a", error="no")
    for connection, key in (("one=", "key1"), ("two=", "key2")):
        assert feedback.socket.invoke(socket_event("$connect", connection=connection, apiKeyId=key)) == OK
        assert feedback.socket.invoke(watch_event("a", connection=connection)) == OK
    assert feedback.callbacks.told("one=") == [{"id": "a", "type": "orders", "status": "failed", "error": "no"}]
    assert feedback.callbacks.told("two=") == [{"id": "a", "type": "orders", "status": "unknown"}]
    assert feedback.watchers() == []


def test_a_stranger_is_refused_and_a_late_message_too(feedback: Stand) -> None:
    """Given nobody's identity, then there is no connection; given one that has gone, then it is to connect again."""
    assert feedback.socket.invoke(socket_event("$connect")) == {"returned": {"statusCode": 403}}
    assert feedback.socket.invoke(socket_event("$connect", connection="one=", apiKeyId="key1")) == OK
    assert feedback.socket.invoke(socket_event("$disconnect", connection="one=")) == OK
    assert feedback.socket.invoke(watch_event("a", connection="one=")) == OK
    assert [frame["error"] for frame in feedback.callbacks.told("one=")] == ["not_connected"]


def test_gone_clients_are_forgotten_and_hold_up_nobody(feedback: Stand, batch: Batch) -> None:
    """Given a watcher that is gone without a word, then the other is told, and no watch is left."""
    feedback.deployed.accept("key1#orders#a", {})
    before = feedback.deployed.item("key1#orders#a")
    for connection in ("one=", "two="):
        feedback.socket.invoke(socket_event("$connect", connection=connection, apiKeyId="key1"))
        feedback.socket.invoke(watch_event("a", connection=connection))
    feedback.callbacks.gone = {"one="}
    feedback.deployed.accept("key1#orders#a", {}, status="done-a", ttl=2_000_000_000, accepted_at=_accepted_at(before))
    assert feedback.notify.invoke(batch(feedback.outcome("key1#orders#a", before))) == ALL_RESOLVED
    assert [frame["status"] for frame in feedback.callbacks.told("two=")] == ["pending", "done"]
    assert feedback.watchers() == []


def test_without_its_table_a_batch_comes_again(feedback: Stand, batch: Batch) -> None:
    """Given a table of connections that isn't there, then the record is reported, and the log says why."""
    feedback.deployed.accept("key1#orders#a", {})
    before = feedback.deployed.item("key1#orders#a")
    feedback.deployed.accept("key1#orders#a", {}, status="done-a", ttl=2_000_000_000, accepted_at=_accepted_at(before))
    feedback.deployed.client.delete_table(TableName=feedback.connections)
    outcome = feedback.outcome("key1#orders#a", before)
    assert feedback.notify.invoke(batch(outcome)) == {"returned": {"batchItemFailures": [{"itemIdentifier": "1"}]}}
    assert "watchers_unknown" in [line["event"] for line in feedback.notify.lines()]
    answer = feedback.socket.invoke(socket_event("$connect", apiKeyId="key1"))
    assert answer is not None
    assert answer["raised"] == "ServiceError"


def test_a_thousand_watchers_of_one_request_are_told_by_one_invocation(
    feedback: Stand, batch: Batch, tell: Callable[[object], None]
) -> None:
    """Given a thousand connections that watch one request, then each is told once, well within the function's time."""
    feedback.deployed.accept("key1#orders#a", {})
    before = feedback.deployed.item("key1#orders#a")
    everybody = [f"{number:04}=" for number in range(1_000)]
    for start in range(0, len(everybody), 25):
        rows = [
            {"PutRequest": {"Item": {"id": {"S": "key1#orders#a"}, CONNECTION: {"S": one}}}}
            for one in everybody[start : start + 25]
        ]
        feedback.deployed.client.batch_write_item(RequestItems={feedback.connections: rows})  # type: ignore[dict-item]
    feedback.deployed.accept("key1#orders#a", {}, status="done-a", ttl=2_000_000_000, accepted_at=_accepted_at(before))
    started = time.monotonic()
    assert feedback.notify.invoke(batch(feedback.outcome("key1#orders#a", before)), seconds=30) == ALL_RESOLVED
    tell(f"feedback: 1,000 watchers of one request told in {time.monotonic() - started:.2f} s, cold start included")
    assert sorted(connection for connection, _ in feedback.callbacks.frames()) == everybody
    assert feedback.watchers() == []


def _accepted_at(item: dict[str, Any]) -> int:
    return int(item["accepted_at"]["N"])

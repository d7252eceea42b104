"""Outcomes pushed to clients, from the WebSocket's handshake to the frame: a stack in which every call is signed."""

import json
import os
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec
import pytest
from botocore.credentials import Credentials
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from dropslot.core import names
from dropslot.core.errors import ConfigurationError
from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.local.gateway.callers import RoleSession
from dropslot.local.mapping.options import NOTIFY_OPTIONS
from dropslot.local.options import LAMBDA, StackOptions
from dropslot.local.parts import Parts
from dropslot.local.socket.options import SocketOptions
from dropslot.local.stack import Stack
from tests.contract.http.population import Population, signed_by
from tests.e2e.conftest import HERE, MAPPING, ROOT, SETTINGS, skip_or_fail
from tests.e2e.handlers import RUN_LOG, largest_result
from tests.e2e.pipeline import PATIENCE_SECONDS, eventually
from tests.integration.local.sockets import deaf_client, management, presigned
from tests.integration.local.streams import all_records

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TYPE: Final = "tasks"
#: Longer than any test: what waits for so long is waiting until the test says otherwise.
HOUR_SECONDS: Final = 3600
SAMPLES: Final = 20
#: Watchers that don't read.
DEAF: Final = 4
#: Origin of the pages that may call.
PAGE: Final = "https://shop.example"
POPULATION: Final = Population()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody with credentials.

    Args:
        session: who.
        stack: what is called.
        http: client of the API.
        dynamodb: client of the tables: what the operator and the clock do.
    """

    session: RoleSession
    stack: Stack
    http: httpx.Client
    dynamodb: "DynamoDBClient"

    @property
    def socket_url(self) -> str:
        """Where to connect to, signed."""
        url = self.stack.info.websocket_url
        assert url is not None
        return presigned(url, Credentials(self.session.access_key, self.session.secret_key))

    def connect(self) -> ClientConnection:
        """Open a WebSocket; close it with `with`."""
        client: ClientConnection = connect(self.socket_url, proxy=None)
        return client

    def task(self, do: str, *, key: str | None = None, **body: Any) -> str:
        """Hand in a task of handlers.py, under a key of ours or one that is made for it; return its id."""
        headers = {"Idempotency-Key": key} if key is not None else {}
        answer = self.http.post(f"/{TYPE}", json={"do": do, **body}, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def waiting(self, key: str | None = None) -> str:
        """Hand in a request and wait until it waits for its second run; return its id."""
        request_id = self.task("retry_later", key=key, times=1, seconds=HOUR_SECONDS)
        self.becomes(request_id, names.WAITING)
        return request_id

    def becomes(self, request_id: str, *statuses: str) -> None:
        """Wait until a request has one of these statuses."""
        eventually(lambda: self.http.get(f"/{TYPE}/{request_id}").json()["status"] in statuses)

    def release(self, request_id: str) -> None:
        """Let a waiting request be due now: the sweep brings it."""
        self._write(request_id, 'SET "due_at" = 0')

    def finish(self, request_id: str) -> None:
        """Write the outcome of a waiting request, as a consumer does."""
        ttl = int(time.time()) + HOUR_SECONDS
        self._write(request_id, f'SET "status" = \'done-0\' SET "ttl" = {ttl} REMOVE "queue"')

    def fail(self, request_id: str, why: str) -> None:
        """Write the failure of a waiting request, as a consumer does."""
        failed = """SET "status" = 'failed-0' SET "queue" = 'failed-0'"""
        self._write(request_id, f"{failed} SET \"error\" = '{why}'")

    def repeat_failure(self, request_id: str) -> None:
        """Put the record of a request's failure into the stream again, as the stream may, once it is there."""
        item_id = f"{self.session.role_id}#{TYPE}#{request_id}"
        with closing(kinesis_client(self.stack.info.kinesis_endpoint)) as kinesis:

            def failures() -> list[dict[str, Any]]:
                return [each for each in all_records(kinesis, self.stack.info.stream) if _fails(each, item_id)]

            eventually(lambda: bool(failures()))
            (failure,) = failures()
            payload = msgspec.json.encode(failure["record"])
            kinesis.put_record(StreamName=self.stack.info.stream, Data=payload, PartitionKey=failure["key"])

    def delete(self, request_id: str) -> None:
        """Delete a request, as an operator does."""
        key = {"id": {"S": f"{self.session.role_id}#{TYPE}#{request_id}"}}
        self.dynamodb.delete_item(TableName=self.stack.info.table, Key=key)

    def redrive(self, request_id: str) -> None:
        """Put a failed request in again, as an operator does."""
        pending = """SET "status" = 'pending-0' SET "queue" = 'pending-0'"""
        self._write(request_id, f'{pending} SET "tries" = 0 SET "attempt" = 1 REMOVE "error"')

    def _write(self, request_id: str, change: str) -> None:
        self.dynamodb.execute_statement(
            Statement=f'UPDATE "{self.stack.info.table}" {change} WHERE "id" = ?',
            Parameters=[{"S": f"{self.session.role_id}#{TYPE}#{request_id}"}],
        )


def watch(client: ClientConnection, *request_ids: str) -> list[dict[str, Any]]:
    """Watch requests; return the answers."""
    client.send(json.dumps({"action": "watch", "type": TYPE, "ids": request_ids}))
    return [heard(client) for _ in request_ids]


def heard(client: ClientConnection) -> dict[str, Any]:
    """Wait for the next frame."""
    frame: dict[str, Any] = json.loads(client.recv(timeout=PATIENCE_SECONDS))
    return frame


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack with feedback."""
    try:
        Parts.find(os.environ, ROOT)
    except ConfigurationError as missing:
        skip_or_fail(str(missing))
    folder = tmp_path_factory.mktemp("feedback")
    (folder / "runs").touch()
    options = StackOptions(
        handler="tests.e2e.handlers:task",
        config=HERE / "dropslot.toml",
        log_dir=folder / "logs",
        consumer=LAMBDA,
        mapping=MAPPING,
        consumer_env={**SETTINGS, RUN_LOG: str(folder / "runs"), "PYTHONPATH": str(ROOT)},
        auth="iam",
        cors_origin=PAGE,
        callers=POPULATION.write(folder),
        feedback=True,
        notify=replace(NOTIFY_OPTIONS, poll_seconds=MAPPING.poll_seconds),
    )
    with Stack(options, os.environ) as stack:
        yield stack
        stack.check()


@pytest.fixture(scope="module")
def dynamodb(stack: Stack) -> Iterator["DynamoDBClient"]:
    """A client of the stack's tables."""
    with closing(dynamodb_client(stack.info.dynamodb_endpoint)) as client:
        yield client


@contextmanager
def _caller(session: RoleSession, stack: Stack, dynamodb: "DynamoDBClient") -> Iterator[Caller]:
    with httpx.Client(base_url=stack.info.url, auth=signed_by(session), timeout=35, trust_env=False) as http:
        yield Caller(session=session, stack=stack, http=http, dynamodb=dynamodb)


@pytest.fixture
def me(stack: Stack, dynamodb: "DynamoDBClient") -> Iterator[Caller]:
    """A caller."""
    with _caller(POPULATION.mine, stack, dynamodb) as caller:
        yield caller


@pytest.fixture
def stranger(stack: Stack, dynamodb: "DynamoDBClient") -> Iterator[Caller]:
    """A caller of another role."""
    with _caller(POPULATION.theirs, stack, dynamodb) as caller:
        yield caller


@pytest.fixture(scope="module")
def pusher(stack: Stack) -> Iterator[Any]:
    """A client of the management API."""
    with management(str(stack.info.websocket_url).replace("ws:", "http:")) as client:
        yield client


def test_an_outcome_is_pushed_once(me: Caller) -> None:
    """Given two watched requests, when one is done and then the other, then each outcome comes, and nothing else."""
    first, second = me.waiting(), me.waiting()
    with me.connect() as client:
        assert [frame["status"] for frame in watch(client, first, second)] == [names.WAITING] * 2

        me.release(second)
        assert heard(client) == {"id": second, "type": TYPE, "status": names.DONE, "result": {"attempt": 1}}
        me.release(first)
        assert heard(client) == {"id": first, "type": TYPE, "status": names.DONE, "result": {"attempt": 1}}


def test_an_outcome_from_before_is_told_at_once(me: Caller) -> None:
    """Given requests that are done, failed, or done with the largest result, then the answers are their outcomes."""
    done, failed, large = me.task("return", value=[1]), me.task("reject", why="sold out"), me.task("largest")
    for request_id in (done, failed, large):
        me.becomes(request_id, names.DONE, names.FAILED)

    with me.connect() as client:
        answers = watch(client, done, failed, large)

    assert {frame["id"]: frame for frame in answers} == {
        done: {"id": done, "type": TYPE, "status": names.DONE, "result": [1]},
        failed: {"id": failed, "type": TYPE, "status": names.FAILED, "error": "sold out"},
        large: {"id": large, "type": TYPE, "status": names.DONE, "result": largest_result()},
    }


def test_what_is_unknown_and_what_is_another_s_look_alike(me: Caller, stranger: Caller) -> None:
    """Given another's request, then watching it is answered as for one that isn't there, and its outcome isn't told."""
    mine, theirs = me.waiting(), stranger.waiting()
    with me.connect() as my_client, stranger.connect() as their_client:
        watch(my_client, mine)
        watch(their_client, theirs)
        for request_id in (mine, "never-sent"):
            assert watch(their_client, request_id) == [{"id": request_id, "type": TYPE, "status": "unknown"}]

        me.release(mine)
        assert heard(my_client)["status"] == names.DONE
        # Pushed later by the same way: what came before it would have been heard first.
        stranger.release(theirs)
        assert heard(their_client)["id"] == theirs


def test_another_session_of_the_same_role_is_the_same_caller(me: Caller) -> None:
    """Given a request of one session, when another of its role watches it, then it hears the outcome."""
    request_id = me.waiting()
    with _caller(POPULATION.again, me.stack, me.dynamodb) as again, again.connect() as client:
        watch(client, request_id)
        me.release(request_id)
        assert heard(client)["status"] == names.DONE


def test_all_watchers_are_told(me: Caller) -> None:
    """Given two connections that watch one request, one of them twice, then both hear of its outcome."""
    request_id = me.waiting()
    with me.connect() as one, me.connect() as other:
        watch(one, request_id)
        watch(one, request_id)
        watch(other, request_id)
        me.release(request_id)

        assert heard(one)["status"] == heard(other)["status"] == names.DONE


def test_a_cut_connection_is_made_up_for_by_watching_again(me: Caller, pusher: Any) -> None:
    """Given watches of a connection that is cut, when the client comes back, then it hears what it missed and more."""
    missed, later = me.waiting(), me.waiting()
    with me.connect() as client:
        watch(client, missed, later)
        (connection_id,) = _watchers(me, missed)
        pusher.delete_connection(ConnectionId=connection_id)
        with pytest.raises(ConnectionClosed):
            heard(client)
    me.release(missed)
    me.becomes(missed, names.DONE)

    with me.connect() as client:
        assert [frame["status"] for frame in watch(client, missed, later)] == [names.DONE, names.WAITING]
        me.release(later)
        while heard(client)["id"] != later:
            pass  # what was missed may be told twice


def test_what_an_operator_redrives_can_be_watched_again(me: Caller) -> None:
    """Given a failed request, when it is redriven and watched again, then its second outcome is told."""
    request_id = me.task("reject_first", why="closed")
    with me.connect() as client:
        (frame,) = watch(client, request_id)
        while frame["status"] != names.FAILED:
            frame = heard(client)

        me.redrive(request_id)
        (frame,) = watch(client, request_id)
        while frame["status"] != names.DONE:
            frame = heard(client)

    assert frame["result"] == {"attempt": 1}


def test_an_outcome_from_before_a_redrive_does_not_end_a_watch(me: Caller) -> None:
    """Given a failed request that is redriven and then watched, when its failure comes again, then nobody hears of it.

    Its next outcome is told all the same.
    """
    request_id, marker = me.task("retry_later", times=2, seconds=HOUR_SECONDS), me.waiting()
    me.becomes(request_id, names.WAITING)
    me.fail(request_id, "closed")
    me.redrive(request_id)
    me.becomes(request_id, names.WAITING)
    with me.connect() as client:
        assert [frame["status"] for frame in watch(client, request_id, marker)] == [names.WAITING] * 2
        me.repeat_failure(request_id)
        # Pushed later by the same way: the failure would have been heard first.
        me.finish(marker)
        assert heard(client)["id"] == marker
        me.finish(request_id)
        assert heard(client) == {"id": request_id, "type": TYPE, "status": names.DONE}


def test_an_outcome_of_a_deleted_request_does_not_end_the_watch_of_the_next(me: Caller) -> None:
    """Given a key that is used again after its request was deleted, then the former one's failure ends no watch."""
    key, marker = f"again-{secrets.token_hex(4)}", me.waiting()
    me.waiting(key)
    me.fail(key, "closed")
    me.delete(key)
    me.waiting(key)
    with me.connect() as client:
        assert [frame["status"] for frame in watch(client, key, marker)] == [names.WAITING] * 2
        me.repeat_failure(key)
        me.finish(marker)
        assert heard(client)["id"] == marker
        me.finish(key)
        assert heard(client) == {"id": key, "type": TYPE, "status": names.DONE}


def test_a_page_of_another_origin_cannot_connect(me: Caller) -> None:
    """Given a signed handshake of a page, then it is refused unless its origin is the one whose pages may call."""
    with pytest.raises(InvalidStatus) as refused:
        connect(me.socket_url, proxy=None, origin=Origin("https://evil.example"))
    assert refused.value.response.status_code == 403
    with connect(me.socket_url, proxy=None, origin=Origin(PAGE)) as client:
        assert watch(client, "never-sent")[0]["status"] == "unknown"


def test_watchers_that_do_not_read_hold_nobody(me: Caller, pusher: Any) -> None:
    """Given watchers whose buffers are full, when their request is done, then one behind them hears of it meanwhile."""
    request_id = me.waiting()
    with ExitStack() as connections, ThreadPoolExecutor(DEAF) as threads:
        for _ in range(DEAF):
            deaf = connections.enter_context(deaf_client(me.socket_url))
            deaf.sendall(_masked(json.dumps({"action": "watch", "type": TYPE, "ids": [request_id]})))
        eventually(lambda: len(_watchers(me, request_id)) == DEAF)
        deaf_ids = _watchers(me, request_id)
        client = connections.enter_context(me.connect())
        watch(client, request_id)
        # Pushed to in the order of their ids, which the server makes up.
        while _watchers(me, request_id)[-1] in deaf_ids:
            client = connections.enter_context(me.connect())
            watch(client, request_id)
        # Last, since the server cuts off who doesn't read for long.
        list(threads.map(lambda deaf_id: _fill_up(pusher, deaf_id), deaf_ids))

        me.finish(request_id)
        written = time.monotonic()
        assert heard(client)["status"] == names.DONE
        # The server waits so long for each before it refuses a push.
        assert time.monotonic() - written < DEAF * SocketOptions().push_seconds
        # It did: they were there all the time.
        for deaf_id in deaf_ids:
            with pytest.raises(pusher.exceptions.LimitExceededException):
                pusher.post_to_connection(ConnectionId=deaf_id, Data=b"x")


def test_how_long_a_push_takes(me: Caller, tell: Callable[[object], None]) -> None:
    """Given watched requests, when their outcomes are written one after the other, then each is heard soon."""
    request_ids = [me.task("retry_later", times=1, seconds=HOUR_SECONDS) for _ in range(SAMPLES)]
    took = []
    with me.connect() as client:
        watch(client, *request_ids)
        for request_id in request_ids:
            me.becomes(request_id, names.WAITING)
            me.finish(request_id)
            written = time.monotonic()
            assert heard(client)["id"] == request_id
            took.append(time.monotonic() - written)

    tell(
        f"push: p50 {statistics.median(took) * 1000:.0f} ms from outcome written to message received "
        f"({SAMPLES} outcomes, max {max(took) * 1000:.0f} ms; the stream is read each {MAPPING.poll_seconds:g} s)"
    )
    assert statistics.median(took) < 2.0


def _fails(entry: dict[str, Any], item_id: str) -> bool:
    change = entry["record"]["dynamodb"]
    status = str(change.get("NewImage", {}).get("status", {}).get("S"))
    return change["Keys"]["id"]["S"] == item_id and status.startswith(names.FAILED)


def _watchers(me: Caller, request_id: str) -> list[str]:
    rows = me.dynamodb.query(
        TableName=str(me.stack.info.connections_table),
        KeyConditionExpression="id = :id",
        ExpressionAttributeValues={":id": {"S": f"{me.session.role_id}#{TYPE}#{request_id}"}},
        ConsistentRead=True,
    )
    return [row["connection"]["S"] for row in rows["Items"]]


def _fill_up(pusher: Any, connection_id: str) -> None:
    """Push until the server refuses to hold more for a connection."""

    def refused() -> bool:
        try:
            pusher.post_to_connection(ConnectionId=connection_id, Data=b"x" * 128 * 1024)
        except pusher.exceptions.LimitExceededException:
            return True
        return False

    eventually(refused)


def _masked(text: str) -> bytes:
    """Return a client's text frame."""
    data = text.encode()
    assert len(data) < 126
    # A mask of zeros leaves the data as it is.
    return bytes([0x81, 0x80 | len(data)]) + bytes(4) + data

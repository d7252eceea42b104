"""The local WebSocket API towards clients: handshakes, routes, limits, the end."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from dropslot.local.ports import LOOPBACK
from dropslot.local.process import is_running
from tests.integration.local.sockets import SocketApi, eventually, running_socket_api


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SocketApi]:
    """An API that asks nobody who they are, with API Gateway's limits."""
    with running_socket_api(tmp_path_factory.mktemp("socket")) as api:
        yield api


def closed(client: ClientConnection) -> tuple[int, str]:
    """Wait for the end of a connection and return its code and reason."""
    with pytest.raises(ConnectionClosed) as raised:
        client.recv(timeout=10)
    assert raised.value.rcvd is not None
    return raised.value.rcvd.code, raised.value.rcvd.reason


def test_events_tell_of_a_connection_from_handshake_to_end(api: SocketApi) -> None:
    """Given a client that connects, sends and leaves, then each of the three events has the fields that AWS's has."""
    with api.connect("?color=red", additional_headers={"User-Agent": "test/1"}) as client:
        client.send('{"action": "watch", "type": "orders"}')
        eventually(lambda: api.events("MESSAGE"))
        client.close(1000, "done here")
    connection_id = api.last_id()

    connect, message = (api.events(kind)[-1] for kind in ("CONNECT", "MESSAGE"))
    disconnect = api.disconnected(connection_id)
    assert connect["queryStringParameters"] == {"color": "red"}
    assert connect["headers"]["user-agent"] == "test/1"
    assert connect["requestContext"]["routeKey"] == "$connect"
    assert message["body"] == '{"action": "watch", "type": "orders"}'
    assert message["requestContext"]["routeKey"] == "watch"
    assert message["requestContext"]["messageId"]
    assert disconnect["requestContext"]["routeKey"] == "$disconnect"
    assert disconnect["requestContext"]["disconnectStatusCode"] == 1000
    assert disconnect["requestContext"]["disconnectReason"] == "done here"
    for event in (connect, message, disconnect):
        context = event["requestContext"]
        assert event["isBase64Encoded"] is False
        assert context["connectionId"] == connection_id
        assert context["identity"] == {"sourceIp": LOOPBACK, "userAgent": "test/1"}
        assert (context["stage"], context["domainName"]) == ("local", f"{LOOPBACK}:{api.port}")
        assert context["connectedAt"] <= context["requestTimeEpoch"]
        assert context["requestId"]


@pytest.mark.parametrize(
    "message",
    ["soup", "", "[]", "null", '"watch"', '{"action": "order"}', '{"action": null}', '{"Action": "watch"}', "{" * 9999],
)
def test_what_selects_no_route_goes_to_the_default_one(api: SocketApi, message: str) -> None:
    """Given a message that is no JSON object with a known action, then the function gets it under `$default`."""
    before = len(api.events("MESSAGE"))

    with api.connect() as client:
        client.send(message)
        eventually(lambda: len(api.events("MESSAGE")) > before)

    event = api.events("MESSAGE")[-1]
    assert (event["requestContext"]["routeKey"], event["body"]) == ("$default", message)


@pytest.mark.parametrize(("wish", "status"), [("401", 401), ("raise", 502), ("nothing", 502), ("die", 502)])
def test_the_function_can_refuse_a_handshake(api: SocketApi, wish: str, status: int) -> None:
    """Given a function that answers 401, fails or answers in another form, then the client gets 401 or 502."""
    with pytest.raises(InvalidStatus) as raised, api.connect(f"?do={wish}"):
        pass

    response = raised.value.response
    assert response.status_code == status
    assert json.loads(response.body or b"").keys() == {"message", "connectionId", "requestId"}


def test_there_is_one_path_and_no_page(api: SocketApi) -> None:
    """Given another path, or a call that is no handshake, then the answer is 403."""
    with pytest.raises(InvalidStatus) as raised, api.connect("/orders"):
        pass
    assert raised.value.response.status_code == 403
    assert httpx.get(api.callback_url, trust_env=False).status_code == 403


def test_the_function_chooses_the_subprotocol(api: SocketApi) -> None:
    """Given a function that answers with a subprotocol, then the handshake has it."""
    with api.connect("?do=subprotocol", subprotocols=["salad", "soup"]) as client:
        assert client.subprotocol == "soup"


@pytest.mark.parametrize("wish", ["raise", "nothing", "die"])
def test_a_failing_function_is_told_to_the_client_and_the_connection_stays(api: SocketApi, wish: str) -> None:
    """Given a function that fails at a message, then the client gets AWS's message of it, and can go on."""
    with api.connect() as client:
        client.send(json.dumps({"action": "watch", "do": wish}))
        failure = json.loads(client.recv(timeout=10))
        before = len(api.events("MESSAGE"))
        client.send("soup")
        eventually(lambda: len(api.events("MESSAGE")) > before)

    context = api.events("MESSAGE")[-2]["requestContext"]
    assert failure == {
        "message": "Internal server error",
        "connectionId": api.last_id(),
        "requestId": context["requestId"],
    }


FRAME = "x" * 32 * 1024


@pytest.mark.parametrize("message", [FRAME, [FRAME] * 4], ids=["a frame of 32 KB", "four of them"])
def test_the_largest_message_comes_through(api: SocketApi, message: Any) -> None:
    """Given a message of 128 KB in frames of 32 KB, then the function gets all of it."""
    before = len(api.events("MESSAGE"))

    with api.connect() as client:
        client.send(message)
        eventually(lambda: len(api.events("MESSAGE")) > before)

    assert api.events("MESSAGE")[-1]["body"] == "".join(message)


@pytest.mark.parametrize(
    ("message", "code"),
    [(FRAME + "x", 1009), ([FRAME, FRAME, FRAME, FRAME, "x"], 1009), (b"soup", 1003)],
    ids=["a larger frame", "a larger message", "binary"],
)
def test_what_is_too_large_or_binary_closes_the_connection(api: SocketApi, message: Any, code: int) -> None:
    """Given a frame above 32 KB, a message above 128 KB or a binary one, then the code says so, and no event came."""
    before = len(api.events("MESSAGE"))

    with api.connect() as client:
        client.send(message)
        assert closed(client)[0] == code
    connection_id = api.last_id()

    assert api.disconnected(connection_id)["requestContext"]["disconnectStatusCode"] == code
    assert len(api.events("MESSAGE")) == before


def test_who_leaves_without_a_word_is_missed_too(api: SocketApi) -> None:
    """Given a client whose network is gone, then the function hears that it has left."""
    with api.connect() as client:
        connection_id = api.last_id()
        client.socket.shutdown(socket.SHUT_RDWR)

    api.disconnected(connection_id)


@pytest.mark.parametrize("limit", ["idle_seconds", "connection_seconds"])
def test_connections_end_by_time(tmp_path: Path, limit: str) -> None:
    """Given a client that is silent for too long, or connected for too long, then the server is "going away"."""
    with running_socket_api(tmp_path, limits={limit: 0.2}) as api:
        with api.connect() as client:
            assert closed(client) == (1001, "Going away")

        assert api.disconnected(api.last_id())["requestContext"]["disconnectStatusCode"] == 1001


def test_a_stop_closes_all_connections_and_leaves_no_process(tmp_path: Path) -> None:
    """Given two clients, when the process gets SIGTERM, then both are closed with 1001, and the function is gone."""
    with running_socket_api(tmp_path) as api, api.connect() as one, api.connect() as other:
        assert api.close() == 0

        assert {closed(one)[0], closed(other)[0]} == {1001}
        assert not any(is_running(note["pid"]) for note in api.notes())


def test_a_kill_leaves_no_process(tmp_path: Path) -> None:
    """Given a function that runs, when the process is killed, then the function ends too."""
    with running_socket_api(tmp_path) as api, api.connect() as client:
        client.send('{"do": "hang"}')
        eventually(lambda: api.events("MESSAGE"))
        api.process.kill()

        eventually(lambda: not any(is_running(note["pid"]) for note in api.notes()))


def test_limits_of_nothing_are_refused(tmp_path: Path) -> None:
    """Given limits of nothing, then the process doesn't start and names them all."""
    with (
        pytest.raises(AssertionError, match=r"idle_seconds=0 must be above 0.*concurrency=0 must be above 0"),
        running_socket_api(tmp_path, limits={"idle_seconds": 0, "concurrency": 0}),
    ):
        pass

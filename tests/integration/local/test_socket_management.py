"""The local WebSocket API towards functions, by AWS's own client of it; also clients that don't read, and many."""

import asyncio
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.local.sockets import SocketApi, deaf_client, eventually, management, running_socket_api

MESSAGE = b"x" * 128 * 1024
CROWD = 1000


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SocketApi]:
    """An API whose pushes don't wait long for a client."""
    folder = tmp_path_factory.mktemp("socket")
    with running_socket_api(folder, limits={"push_seconds": 0.2, "stall_seconds": 1.0}) as api:
        yield api


@pytest.fixture(scope="module")
def pusher(api: SocketApi) -> Iterator[Any]:
    """A function's client, with its credentials."""
    with management(api.callback_url) as client:
        yield client


@pytest.mark.parametrize(
    "data", [b"soup", '{"dish": "gazpacho, süß"}'.encode(), MESSAGE], ids=["word", "JSON", "128 KB"]
)
def test_a_push_reaches_its_client_as_text(api: SocketApi, pusher: Any, data: bytes) -> None:
    """Given two clients, when something is pushed to one, then that one gets it."""
    with api.connect() as one, api.connect():
        pusher.post_to_connection(ConnectionId=api.events("CONNECT")[-2]["requestContext"]["connectionId"], Data=data)
        assert one.recv(timeout=10) == data.decode()


def test_a_connection_can_be_looked_at(api: SocketApi, pusher: Any) -> None:
    """Given a client that has just sent something, then GET says since when it is connected and active."""
    with api.connect(additional_headers={"User-Agent": "test/1"}) as client:
        connection_id = api.last_id()
        before = pusher.get_connection(ConnectionId=connection_id)
        client.send("soup")
        eventually(lambda: pusher.get_connection(ConnectionId=connection_id)["LastActiveAt"] > before["LastActiveAt"])

    assert before["ConnectedAt"] == before["LastActiveAt"]
    assert abs(before["ConnectedAt"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert before["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "test/1"}


def test_a_function_can_end_a_connection(api: SocketApi, pusher: Any) -> None:
    """Given a client, when its connection is deleted, then it is closed, and the function hears of it."""
    with api.connect() as client:
        connection_id = api.last_id()
        pusher.delete_connection(ConnectionId=connection_id)
        with pytest.raises(ConnectionClosed) as raised:
            client.recv(timeout=10)
    assert raised.value.rcvd is not None
    assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (1000, "Connection Closed Normally")
    api.disconnected(connection_id)


def test_who_is_gone_is_gone_for_all_calls(api: SocketApi, pusher: Any) -> None:
    """Given connections that were closed, or never were, then each call is answered with 410."""
    with api.connect() as client:
        closed = api.last_id()
        client.close()
    api.disconnected(closed)

    for connection_id in (closed, "bm9ib2R5bm9ib2R5"):
        with pytest.raises(pusher.exceptions.GoneException):
            pusher.post_to_connection(ConnectionId=connection_id, Data=b"soup")
        with pytest.raises(pusher.exceptions.GoneException):
            pusher.get_connection(ConnectionId=connection_id)
        with pytest.raises(pusher.exceptions.GoneException):
            pusher.delete_connection(ConnectionId=connection_id)


def test_nobody_is_connected_before_the_handshake_is_over(api: SocketApi, pusher: Any) -> None:
    """Given a function that pushes while it answers a handshake, then the connection is gone, as on AWS."""
    go_on = api.folder / "go-on"
    before = len(api.events("CONNECT"))
    with ThreadPoolExecutor(1) as pool:
        client = pool.submit(api.connect, "?do=hang")
        eventually(lambda: len(api.events("CONNECT")) > before)
        try:
            with pytest.raises(pusher.exceptions.GoneException):
                pusher.post_to_connection(ConnectionId=api.last_id(), Data=b"soup")
        finally:
            go_on.touch()
        with client.result(10) as connected:
            pusher.post_to_connection(ConnectionId=api.last_id(), Data=b"soup")
            assert connected.recv(timeout=10) == "soup"


def test_a_message_can_be_too_large(api: SocketApi, pusher: Any) -> None:
    """Given a push of more than 128 KB, then it is refused, and the client can still be reached."""
    with api.connect() as client:
        with pytest.raises(pusher.exceptions.PayloadTooLargeException):
            pusher.post_to_connection(ConnectionId=api.last_id(), Data=MESSAGE + b"x")
        pusher.post_to_connection(ConnectionId=api.last_id(), Data=b"soup")
        assert client.recv(timeout=10) == "soup"


def test_who_proves_nothing_reaches_nobody(api: SocketApi) -> None:
    """Given calls that are unsigned, or signed with another secret, then they are refused."""
    with api.connect() as client:
        url = f"{api.callback_url}/@connections/{api.last_id()}"
        for method in ("POST", "GET", "DELETE"):
            assert httpx.request(method, url, trust_env=False).status_code == 403
        with (
            management(api.callback_url, secret_key="another") as stranger,
            pytest.raises(stranger.exceptions.ForbiddenException),
        ):
            stranger.post_to_connection(ConnectionId=api.last_id(), Data=b"soup")
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.1)


def test_a_client_that_does_not_read_holds_nobody(api: SocketApi, pusher: Any) -> None:
    """Given a client that reads nothing, then pushes to it soon fail, another gets its own at once; it is cut off."""
    with deaf_client(api.url):
        deaf = api.last_id()
        _fill_up(pusher, deaf)

        with api.connect() as client, ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(_push_in_vain, pusher, deaf) for _ in range(8)]
            began = time.monotonic()
            pusher.post_to_connection(ConnectionId=api.last_id(), Data=b"soup")
            assert client.recv(timeout=10) == "soup"
            took = time.monotonic() - began
            assert all(each.result(10) for each in waiting)
        assert took < 1.0

        api.disconnected(deaf)
        with pytest.raises(pusher.exceptions.GoneException):
            pusher.get_connection(ConnectionId=deaf)


def _fill_up(pusher: Any, connection_id: str) -> None:
    """Push until a push is refused."""
    eventually(lambda: _push_in_vain(pusher, connection_id))


def _push_in_vain(pusher: Any, connection_id: str) -> bool:
    try:
        pusher.post_to_connection(ConnectionId=connection_id, Data=MESSAGE)
    except (pusher.exceptions.LimitExceededException, pusher.exceptions.GoneException):
        return True
    return False


def test_a_stop_does_not_wait_for_a_client_that_does_not_read(tmp_path: Path) -> None:
    """Given a client that reads nothing while more is waiting for it, then the process still ends in order, soon."""
    limits = {"push_seconds": 0.2}
    with (
        running_socket_api(tmp_path, limits=limits) as api,
        deaf_client(api.url),
        management(api.callback_url) as pusher,
    ):
        _fill_up(pusher, api.last_id())
        began = time.monotonic()
        assert api.close() == 0
        assert time.monotonic() - began < 4


@pytest.fixture
def many_files() -> Iterator[None]:
    """Leave to open as many files as a process may."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4 * CROWD), most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@pytest.mark.usefixtures("many_files")
def test_a_thousand_connections_are_held(tmp_path: Path, tell: Callable[[object], None]) -> None:
    """Given 1,000 clients, then each gets what is pushed to it, and the function hears of all that come and go."""
    with running_socket_api(tmp_path) as api, management(api.callback_url) as pusher:
        began = time.monotonic()
        asyncio.run(_crowd(api, pusher))
        eventually(lambda: len(api.events("DISCONNECT")) == CROWD)
        tell(f"{CROWD} WebSockets came, got a push each and left within {time.monotonic() - began:.1f} s")

    ids = [event["requestContext"]["connectionId"] for event in api.events("CONNECT")]
    assert len(set(ids)) == CROWD


async def _crowd(api: SocketApi, pusher: Any) -> None:
    door = asyncio.Semaphore(50)

    async def come() -> ClientConnection:
        async with door:
            return await connect(api.url, proxy=None, open_timeout=None, ping_interval=None, compression=None)

    clients = await asyncio.gather(*(come() for _ in range(CROWD)))
    ids = [event["requestContext"]["connectionId"] for event in api.events("CONNECT")]

    def push() -> None:
        for each in ids:
            pusher.post_to_connection(ConnectionId=each, Data=each)

    await asyncio.to_thread(push)
    heard = await asyncio.gather(*(client.recv() for client in clients))
    assert sorted(map(str, heard)) == sorted(ids)
    await asyncio.gather(*(client.close() for client in clients))

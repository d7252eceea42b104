"""HTTP over kept connections, against a real server that misbehaves as told."""

import asyncio
import socket

import pytest

from dropslot.adapters.wire import connections as module
from dropslot.adapters.wire.connections import Connections
from dropslot.core.errors import TransientError
from tests.unit.adapters.server import OK, Server, fine
from tests.unit.engine.doubles import asynchronous


@asynchronous
async def test_calls_share_a_connection() -> None:
    """Given two calls in turn, then one connection carries both, as they were given."""
    server = Server(fine)
    async with server.running() as connections:
        assert await connections.post({"host": connections.host, "x-note": "1"}, b"one") == (200, b"hi")
        assert await connections.post({"host": connections.host}, b"two") == (200, b"hi")
    assert server.opened == 1
    head, _, body = server.calls[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST / HTTP/1.1",
        b"host: " + connections.host.encode(),
        b"x-note: 1",
        b"content-length: 3",
    ]
    assert body == b"one"


@asynchronous
async def test_calls_at_the_same_time_have_connections_of_their_own() -> None:
    """Given two calls at once, then neither waits for the other."""
    both = asyncio.Barrier(2)

    async def meet(writer: asyncio.StreamWriter) -> None:
        await both.wait()
        writer.write(OK)

    server = Server(meet)
    async with server.running() as connections:
        await asyncio.gather(connections.post({}, b""), connections.post({}, b""))
    assert server.opened == 2


@asynchronous
async def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    """Given a server that hangs up on the second call of a connection, then that call is made on a new one."""

    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = Server(fine, hang_up, fine)
    async with server.running() as connections:
        await connections.post({}, b"")
        assert await connections.post({}, b"") == (200, b"hi")
    assert (server.opened, len(server.calls)) == (2, 3)


@asynchronous
async def test_a_connection_that_was_idle_for_long_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an environment that was frozen, then the next call is made on a new connection."""
    server = Server(fine)
    async with server.running() as connections:
        await connections.post({}, b"")
        monkeypatch.setattr(module, "IDLE_SECONDS", -1)
        await connections.post({}, b"")
    assert server.opened == 2


@asynchronous
async def test_a_server_that_wants_to_close_is_let() -> None:
    """Given an answer that announces the end of its connection, then the next call has a new one."""

    async def last(writer: asyncio.StreamWriter) -> None:
        writer.write(OK.replace(b"\r\n\r\n", b"\r\nConnection: Close\r\n\r\n"))

    server = Server(last)
    async with server.running() as connections:
        await connections.post({}, b"")
        await connections.post({}, b"")
    assert server.opened == 2


@asynchronous
async def test_an_answer_in_chunks_is_put_together() -> None:
    """Given chunks with an extension and a trailer, then they are one body, and the connection is kept."""

    async def chunked(writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"3;note=1\r\nhel\r\n2\r\nlo\r\n0\r\nX-Late: 1\r\n\r\n")

    server = Server(chunked)
    async with server.running() as connections:
        assert await connections.post({}, b"") == (200, b"hello")
        assert await connections.post({}, b"") == (200, b"hello")
    assert server.opened == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\nhel",
        b"nonsense\r\nContent-Length: 2\r\n\r\nhi",
    ],
)
@asynchronous
async def test_half_an_answer_is_none(raw: bytes) -> None:
    """Given a server that breaks off or speaks nonsense, then the call may be repeated, on another connection."""

    async def break_off(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = Server(break_off, fine)
    async with server.running() as connections:
        with pytest.raises(TransientError):
            await connections.post({}, b"")
        assert await connections.post({}, b"") == (200, b"hi")


@asynchronous
async def test_an_answer_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a silent server, then the call ends by its limit."""

    async def silence(_: asyncio.StreamWriter) -> None:
        """Say nothing."""

    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.01)
    async with Server(silence).running() as connections:
        with pytest.raises(TransientError, match="TimeoutError"):
            await connections.post({}, b"")


@asynchronous
async def test_an_answer_to_a_cancelled_call_is_nobody_else_s() -> None:
    """Given a call that is cancelled before its answer, then the next call gets its own."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def late(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go.wait()
        writer.write(OK.replace(b"hi", b"no"))

    server = Server(late, fine)
    async with server.running() as connections:
        call = asyncio.create_task(connections.post({}, b""))
        await asked.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        go.set()
        assert await connections.post({}, b"") == (200, b"hi")


@asynchronous
async def test_no_server_is_a_passing_error() -> None:
    """Given a port where nobody listens, then the reason names it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(TransientError, match=host):
            await Connections(f"http://{host}").post({}, b"")

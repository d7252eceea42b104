"""HTTP/1.1 to one server over asyncio, as much of it as calls of AWS need, on connections that are kept."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from dropslot.core.errors import TransientError

CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 10.0

#: A connection unused for longer may be gone without a word: the environment was frozen, or a NAT forgot it.
IDLE_SECONDS: Final = 30.0

#: The largest answer: DynamoDB's are 16 MB at most.
_ANSWER_MAX_BYTES: Final = 32 * 1024 * 1024


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.used_at = 0.0


class Connections:
    """Calls one server; belongs to one loop.

    Args:
        url: of the server: ``http`` or ``https``, a name or an IPv4 address, a port perhaps, and no path.
        tls: makes the context of encrypted connections; reading the system's certificates takes its time, so that
            several servers may share one.
    """

    def __init__(self, url: str, *, tls: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> None:
        # By hand: what the standard library has for it costs a cold start more than a call does.
        scheme, _, host = url.rstrip("/").partition("://")
        self._tls = tls() if scheme == "https" else None
        #: As the `host` header has it.
        self.host = host
        self._name, _, port = host.partition(":")
        self._port = int(port) if port else 443 if self._tls is not None else 80
        self._idle: list[_Connection] = []

    async def post(self, headers: Mapping[str, str], body: bytes, *, path: str = "/") -> tuple[int, bytes]:
        """Post; return status and body.

        Args:
            headers: all but the body's length.
            body: what is sent.
            path: where to, percent-encoded.

        Raises:
            TransientError: there is no answer; the call may have been carried out.
        """
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        call = f"POST {path} HTTP/1.1\r\n{''.join(lines)}content-length: {len(body)}\r\n\r\n".encode() + body
        try:
            while (kept := self._kept()) is not None:
                with suppress(ConnectionError):  # closed while nobody used it
                    return await self._exchange(kept, call)
            return await self._exchange(await self._open(), call)
        except OSError as error:  # a TimeoutError too
            raise TransientError(f"{self.host}: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the connections that nobody uses; called on their loop."""
        for connection in self._idle:
            connection.writer.transport.abort()
        self._idle.clear()

    async def _open(self) -> _Connection:
        async with asyncio.timeout(CONNECT_SECONDS):
            streams = await asyncio.open_connection(self._name, self._port, ssl=self._tls, limit=_ANSWER_MAX_BYTES)
        return _Connection(*streams)

    def _kept(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if time.monotonic() - connection.used_at <= IDLE_SECONDS and not connection.reader.at_eof():
                return connection
            connection.writer.transport.abort()
        return None

    async def _exchange(self, connection: _Connection, call: bytes) -> tuple[int, bytes]:
        stays = False
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                connection.writer.write(call)
                status, body, stays = await _answer(connection.reader)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("the server closed the connection") from error
        except (ValueError, asyncio.LimitOverrunError) as error:
            raise TransientError(f"{self.host}: the answer is no HTTP that we know: {error}") from error
        finally:
            # Also after a cancellation: what is still to come would be taken for the next answer.
            if stays:
                connection.used_at = time.monotonic()
                self._idle.append(connection)
            else:
                connection.writer.transport.abort()
        return status, body


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Read one answer: status, body, and whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status_line, *lines = head.rstrip().split("\r\n")
    version, _, status = status_line.partition(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("it doesn't begin as one")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    elif "content-length" in headers:
        body = await reader.readexactly(_length(headers["content-length"], 10))
    else:
        raise ValueError("it has no length")
    return int(status[:3]), body, headers.get("connection", "").lower() != "close"


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    # DynamoDB itself gives a length; DynamoDB Local doesn't for its larger answers.
    body = bytearray()
    while size := _length((await reader.readline()).partition(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
        if len(body) > _ANSWER_MAX_BYTES:
            raise ValueError("it has no end")
    while (await reader.readline()).strip():
        pass  # trailers
    return bytes(body)


def _length(text: str | bytes, base: int) -> int:
    length = int(text, base)
    if not 0 <= length <= _ANSWER_MAX_BYTES:
        raise ValueError(f"its length is {length}")
    return length

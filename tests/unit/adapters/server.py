"""A small real HTTP server that answers as a test's script says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

from dropslot.adapters.wire.connections import Connections

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

Answer = Callable[[asyncio.StreamWriter], Coroutine[None, None, None]]


async def fine(writer: asyncio.StreamWriter) -> None:
    """Answer."""
    writer.write(OK)


class Server:
    """Answers each call as the next entry of a script says; its last one repeats."""

    def __init__(self, *script: Answer) -> None:
        self._script = list(script)
        self.opened = 0
        self.calls: list[bytes] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Connections]:
        """Run it; give the connections to it."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        connections = Connections(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        try:
            yield connections
        finally:
            connections.close()
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
                self.calls.append(head + await reader.readexactly(length))
                answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                await answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def saying(status: int, body: object) -> Answer:
    """Return an answer of JSON."""
    content = json.dumps(body).encode()

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)

    return answer

"""The open connections: what is known of each, and how something is pushed to it."""

import asyncio
import base64
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

#: Takes a message of ASGI to the client; raises OSError once the connection is closed.
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

#: "Going away" (https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1): idle, too old, or the server stops.
GOING_AWAY: Final = 1001
NORMAL: Final = 1000
UNSUPPORTED_DATA: Final = 1003


class GoneError(Exception):
    """The connection is closed."""


class SlowClientError(Exception):
    """The client didn't read in time what it was sent before."""


class Connection:
    """One client's connection, from the handshake on; `closed` also while a client that doesn't read has yet to hear.

    Args:
        send: reaches the client.
        source_ip: address of the client.
        user_agent: what it calls itself, "" if nothing.
        host: what it calls the server.
        push_seconds: how long a push waits for a client that doesn't read.
    """

    def __init__(self, send: Send, *, source_ip: str, user_agent: str, host: str, push_seconds: float) -> None:
        self.id: Final = base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()
        self.connected_at_ms: Final = time.time_ns() // 1_000_000
        self.last_active_ms = self.connected_at_ms
        self.source_ip: Final = source_ip
        self.user_agent: Final = user_agent
        self.host: Final = host
        self._send = send
        self._push_seconds = push_seconds
        # One after the other: however many wait for a slow client, one message is held for it.
        self._turn = asyncio.Lock()
        self.closed = False

    @property
    def identity(self) -> Mapping[str, str]:
        """What an event says of the client."""
        return {"sourceIp": self.source_ip, **({"userAgent": self.user_agent} if self.user_agent else {})}

    def touch(self) -> None:
        """Note that a message went either way."""
        self.last_active_ms = time.time_ns() // 1_000_000

    async def push(self, text: str) -> None:
        """Send a message.

        Raises:
            GoneError: the connection is closed.
            SlowClientError: the client hasn't read what it was sent before; nothing of this message was sent.
        """
        await self._pass({"type": "websocket.send", "text": text})
        self.touch()

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, in order if the client listens."""
        with suppress(GoneError, SlowClientError):
            await self._pass({"type": "websocket.close", "code": code, "reason": reason})
        self.closed = True

    def lost(self) -> None:
        """Note that the connection is closed."""
        self.closed = True

    async def _pass(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._push_seconds), self._turn:
                if self.closed:
                    raise GoneError
                await self._send(message)
        except TimeoutError:
            raise SlowClientError from None
        except (OSError, RuntimeError):
            # uvicorn raises the latter once it has sent its own close frame.
            raise GoneError from None


class Connections:
    """The connections that a push can reach: from the end of their handshake until they are closed."""

    def __init__(self) -> None:
        self._open: dict[str, Connection] = {}
        self._stopping = False

    @property
    def stopping(self) -> bool:
        """Whether no new ones are taken."""
        return self._stopping

    def add(self, connection: Connection) -> None:
        """Let pushes reach a connection."""
        self._open[connection.id] = connection

    def remove(self, connection: Connection) -> None:
        """Note that a connection is closed."""
        connection.lost()
        self._open.pop(connection.id, None)

    def find(self, connection_id: str) -> Connection:
        """Return an open connection.

        Raises:
            GoneError: there is none of this id, or none any more.
        """
        connection = self._open.get(connection_id)
        if connection is None or connection.closed:
            raise GoneError
        return connection

    async def close_all(self) -> None:
        """Close all, because the server stops, and take no new ones."""
        self._stopping = True
        await asyncio.gather(*(each.close(GOING_AWAY, "Going away") for each in tuple(self._open.values())))

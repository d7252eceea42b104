"""The life of one connection: handshake, messages, end.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
"""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import Mapping
from logging import getLogger
from typing import Final

from starlette.types import Message, Receive, Send

from dropslot.local.gateway.authentication import RefusedError
from dropslot.local.gateway.incoming import Incoming
from dropslot.local.socket.connection import (
    GOING_AWAY,
    UNSUPPORTED_DATA,
    Connection,
    Connections,
    GoneError,
    SlowClientError,
)
from dropslot.local.socket.event import connect_event, disconnect_event, message_event
from dropslot.local.socket.gate import Gate
from dropslot.local.socket.integration import Integration, IntegrationError, Reply
from dropslot.local.socket.options import STAGE, SocketOptions

_log: Final = getLogger(__name__)

_PROTOCOL_HEADER: Final = "sec-websocket-protocol"
_FAILED: Final = "Internal server error"


class _UnwelcomeError(Exception):
    """A handshake is refused."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


class Session:
    """Serves one connection, whose messages are taken one after the other.

    Args:
        incoming: the handshake.
        receive, send: reach the client, by ASGI.
        gate: who may connect.
        integration: gets the events.
        connections: where the connection can be found while it is open.
        options: the limits.
    """

    def __init__(
        self,
        incoming: Incoming,
        receive: Receive,
        send: Send,
        *,
        gate: Gate,
        integration: Integration,
        connections: Connections,
        options: SocketOptions,
    ) -> None:
        self._incoming = incoming
        self._receive = receive
        self._send = send
        self._gate = gate
        self._integration = integration
        self._connections = connections
        self._options = options
        self._connection = Connection(
            send,
            source_ip=incoming.source_ip,
            user_agent=incoming.header("user-agent") or "",
            host=incoming.header("host") or "",
            push_seconds=options.push_seconds,
        )

    async def serve(self) -> None:
        """Serve the connection until it is closed, or refuse it."""
        await self._receive()  # that it wants to connect
        if not await self._open():
            return
        self._connections.add(self._connection)
        try:
            code, reason = await self._follow()
        finally:
            self._connections.remove(self._connection)
        await self._say_goodbye(code, reason)

    async def _open(self) -> bool:
        try:
            reply = await self._admit()
        except _UnwelcomeError as refusal:
            await self._refuse(refusal.status, refusal.message)
            return False
        headers = {name.lower(): value for name, value in reply.headers.items()}
        try:
            await self._send({"type": "websocket.accept", "subprotocol": headers.get(_PROTOCOL_HEADER)})
        except OSError:
            # It has gone meanwhile; the function took it for connected.
            await self._say_goodbye(1006, "")
            return False
        return True

    async def _admit(self) -> Reply:
        """Return the function's answer to the handshake.

        Raises:
            _UnwelcomeError: it, or somebody before it, refuses the client.
        """
        if self._connections.stopping:
            raise _UnwelcomeError(503, "Service Unavailable")
        if self._incoming.path.rstrip("/") != f"/{STAGE}":
            raise _UnwelcomeError(403, "Forbidden")
        try:
            identity = self._gate.identify_client(self._incoming)
            reply = await self._integration.invoke(connect_event(self._connection, self._incoming, identity))
        except RefusedError as error:
            _log.info("caller_refused", extra={"refusal": error.message})
            raise _UnwelcomeError(error.error.value[0], error.message) from error
        except IntegrationError as error:
            raise _UnwelcomeError(502, _FAILED) from error
        if not reply.accepted:
            raise _UnwelcomeError(reply.status, "Forbidden" if reply.status == 403 else "Refused")
        return reply

    async def _refuse(self, status: int, message: str) -> None:
        body = json.dumps({"message": message, **self._ids()}).encode()
        headers = [(b"content-type", b"application/json")]
        with contextlib.suppress(OSError):
            await self._send({"type": "websocket.http.response.start", "status": status, "headers": headers})
            await self._send({"type": "websocket.http.response.body", "body": body})

    async def _follow(self) -> tuple[int, str]:
        """Take messages until the end; return how it is told."""
        while True:
            message = await self._next()
            if message is None:
                await self._connection.close(GOING_AWAY, "Going away")
                return GOING_AWAY, "Going away"
            if message["type"] == "websocket.disconnect":
                return int(message["code"]), message.get("reason") or ""
            text = message.get("text")
            if text is None:
                await self._connection.close(UNSUPPORTED_DATA, "Binary frames aren't supported")
                return UNSUPPORTED_DATA, "Unsupported data"
            self._connection.touch()
            await self._take(text)

    async def _next(self) -> Message | None:
        """Wait for what the client does next; None once it has been idle, or here, for too long."""
        while True:
            connection, now_ms = self._connection, time.time_ns() // 1_000_000
            left_ms = min(
                connection.last_active_ms + self._options.idle_seconds * 1000 - now_ms,
                connection.connected_at_ms + self._options.connection_seconds * 1000 - now_ms,
            )
            if left_ms <= 0:
                return None
            # A push meanwhile makes the idle time begin anew.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_ms / 1000):
                    return await self._receive()

    async def _take(self, text: str) -> None:
        event = message_event(self._connection, text)
        try:
            await self._integration.invoke(event)
        except IntegrationError:
            failure = {"message": _FAILED, **self._ids(event["requestContext"]["requestId"])}
            with contextlib.suppress(GoneError, SlowClientError):
                await self._connection.push(json.dumps(failure))

    async def _say_goodbye(self, code: int, reason: str) -> None:
        # A best effort on AWS, too: at the end of the server there is nobody left to be told.
        if not self._connections.stopping:
            with contextlib.suppress(IntegrationError):
                await self._integration.invoke(disconnect_event(self._connection, code=code, reason=reason))

    def _ids(self, request_id: str | None = None) -> Mapping[str, str]:
        return {
            "connectionId": self._connection.id,
            "requestId": request_id if request_id is not None else str(uuid.uuid4()),
        }

"""The WebSocket API and its management API as one ASGI application, and the server that ends it in order."""

import socket
from typing import Final

import uvicorn
from starlette.requests import HTTPConnection, Request
from starlette.types import Receive, Scope, Send

from dropslot.local.gateway.incoming import Incoming
from dropslot.local.serving import config
from dropslot.local.socket.connection import Connections
from dropslot.local.socket.gate import Gate
from dropslot.local.socket.integration import Integration
from dropslot.local.socket.management import Management
from dropslot.local.socket.options import SocketOptions
from dropslot.local.socket.protocol import limited_protocol
from dropslot.local.socket.session import Session


class SocketServer(uvicorn.Server):
    """Serves connections, and closes them before it ends.

    Args:
        options: the limits.
        gate: who may connect, and who may push.
        integration: gets the events.
    """

    def __init__(self, options: SocketOptions, gate: Gate, integration: Integration) -> None:
        self._options: Final = options
        self._gate: Final = gate
        self._integration: Final = integration
        self._connections: Final = Connections()
        self._management: Final = Management(self._connections, gate)
        super().__init__(
            config(
                self._answer,
                interface="asgi3",
                lifespan="off",
                proxy_headers=False,
                ws=limited_protocol(options),
                # API Gateway neither asks whether clients are still there nor compresses.
                ws_ping_interval=None,
                ws_per_message_deflate=False,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections, then stop."""
        await self._connections.close_all()
        await super().shutdown(sockets)
        await self._integration.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            incoming = await Incoming.read(Request(scope, receive), body_max_bytes=self._options.message_max_bytes)
            response = await self._management.answer(incoming)
            await response(scope, receive, send)
            return
        await Session(
            Incoming.of(HTTPConnection(scope), method="GET", body=b""),
            receive,
            send,
            gate=self._gate,
            integration=self._integration,
            connections=self._connections,
            options=self._options,
        ).serve()

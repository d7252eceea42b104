"""A client's connection on the wire: uvicorn's, with API Gateway's limits, and an end to waiting for a client."""

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from dropslot.local.socket.options import SocketOptions


def limited_protocol(options: SocketOptions) -> type[asyncio.Protocol]:
    """Return the class that uvicorn makes each connection of."""

    class LimitedProtocol(WebSocketsSansIOProtocol):
        def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
            super().__init__(config, server_state, app_state)
            # uvicorn knows one limit for messages alone; the library below it has both, and closes with 1009.
            self.conn.max_message_size = options.message_max_bytes
            self.conn.max_fragment_size = options.frame_max_bytes
            self._stalled: asyncio.TimerHandle | None = None

        def pause_writing(self) -> None:
            super().pause_writing()
            # To close in order would mean to wait for the client once more.
            self._stalled = self.loop.call_later(options.stall_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._stop_waiting()

        def shutdown(self) -> None:
            super().shutdown()
            if not self.writable.is_set():
                # Nor at the end is anybody waited for who doesn't read.
                self.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _stop_waiting(self) -> None:
            if self._stalled is not None:
                self._stalled.cancel()
                self._stalled = None

    return LimitedProtocol

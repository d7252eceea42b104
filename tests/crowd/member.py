"""One client of the crowd: connects, hands a request in, watches it and waits; asks if it isn't told."""

import asyncio
import contextlib
import json
import time
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from dropslot.core.names import DONE, FAILED, PENDING, WAITING

TYPE: Final = "requests"
#: Between two asks of a client that wasn't told.
_ASK_SECONDS: Final = 1.0


class Member:
    """A client with a connection and a request of its own. Attributes tell what happened to it.

    Args:
        name: of the client, and key of its request.
        http: reaches the API.
        patience_seconds: how long it waits for each answer, and for a push before it asks.
    """

    def __init__(self, name: str, http: httpx.AsyncClient, *, patience_seconds: float) -> None:
        self.name: Final = name
        self.connected = False
        self.watched = False
        self.answered = False
        self.asked = False
        #: When the outcome was pushed, in milliseconds since 1970.
        self.pushed_at_ms: int | None = None
        #: The outcome, as it was told.
        self.outcome: dict[str, Any] = {}
        self._http = http
        self._patience_seconds = patience_seconds
        self._socket: ClientConnection | None = None

    @property
    def lost(self) -> bool:
        """It never learned its outcome, or learned another's."""
        return (self.outcome.get("status"), self.outcome.get("result")) != (DONE, {"echo": self.name})

    async def connect(self, websocket_url: str) -> None:
        """Open the connection, if that can be had."""
        limit = self._patience_seconds
        with contextlib.suppress(OSError, TimeoutError, WebSocketException):
            self._socket = await connect(websocket_url, proxy=None, open_timeout=limit, ping_interval=None)
            self.connected = True

    async def hand_in(self) -> None:
        """Send the request."""
        body, headers = {"name": self.name}, {"Idempotency-Key": self.name}
        (await self._http.put(f"/{TYPE}", json=body, headers=headers)).raise_for_status()

    async def watch(self) -> None:
        """Watch the request; the answer may know its outcome."""
        if self._socket is not None:
            with contextlib.suppress(OSError, TimeoutError, WebSocketException):
                await self._socket.send(json.dumps({"action": "watch", "type": TYPE, "ids": [self.name]}))
                frame = await self._frame(self._socket)
                self.answered = self._is_outcome(frame)
                self.watched = self.answered or frame.get("status") in {PENDING, WAITING}

    async def wait(self) -> None:
        """Wait for the outcome: for its push, then by asking."""
        if self._socket is not None and not self.outcome:
            with contextlib.suppress(OSError, TimeoutError, WebSocketException):
                while not self._is_outcome(await self._frame(self._socket)):
                    pass
                self.pushed_at_ms = time.time_ns() // 1_000_000
        with contextlib.suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(self._patience_seconds):
                while not self.outcome:
                    self.asked = self._is_outcome((await self._http.get(f"/{TYPE}/{self.name}")).json())
                    await asyncio.sleep(0 if self.asked else _ASK_SECONDS)

    async def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            await self._socket.close()

    async def _frame(self, socket: ClientConnection) -> dict[str, Any]:
        async with asyncio.timeout(self._patience_seconds):
            frame: dict[str, Any] = json.loads(await socket.recv())
            return frame

    def _is_outcome(self, state: dict[str, Any]) -> bool:
        if (state.get("id"), state.get("status")) not in {(self.name, DONE), (self.name, FAILED)}:
            return False
        self.outcome = state
        return True

"""Hands requests in to Dropslot and learns what became of them: pushed over a WebSocket, or by asking.

One file to copy, on httpx and websockets. Asking is what never misses an answer. A push only makes it arrive earlier,
so a lost one costs time and nothing else.
"""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

DONE, FAILED, UNKNOWN = "done", "failed", "unknown"
_CALL_LIMIT_SECONDS: Final = 35.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0
_FIRST_ASK_SECONDS: Final = 1.0
_IDS_PER_WATCH: Final = 100

_LOG: Final = logging.getLogger(__name__)

#: Returns what a call must have in its headers: takes its method, its URL and its body. The handshake of the WebSocket
#: is a GET without a body.
Authorize = Callable[[str, str, bytes], Mapping[str, str]]


class RefusedError(Exception):
    """The API won't take this call, however often it is made; the text says what to do about it.

    Args:
        status: HTTP status of the answer.
        body: of the answer; `error` is the short name for why that it gives, or "".
    """

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.error = str(body.get("error", ""))
        super().__init__(str(body.get("message", f"the API answered {status}")))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What became of a request.

    Args:
        id: of the request.
        status: pending, waiting, done or failed; unknown if this caller has no such request.
        error: why it failed.
        result: what the handler returned.
    """

    id: str
    status: str
    error: str | None = None
    result: Any = None

    @property
    def settled(self) -> bool:
        """It has its outcome."""
        return self.status in {DONE, FAILED}


@dataclass(slots=True, kw_only=True)
class _Wait:
    """Somebody who waits for an outcome. `told` gets it when it is pushed; `changed` is set after `ask_at` was."""

    type: str
    id: str
    ask_at: float
    watched: bool = False
    told: "asyncio.Future[State]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def ask_in(self, seconds: float) -> None:
        """Have the API asked after so long, in place of the time set before."""
        self.ask_at = _now() + seconds
        self.changed.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """An answer of the API; without a state, the call may be made again."""

    state: State | None
    wait_seconds: float


class Client:
    """A client of one API. Use as an async context manager.

    Args:
        url: base URL of the API.
        websocket_url: where outcomes are pushed; without it, the client only asks.
        authorize: gives the headers that prove who calls, such as `dropslot_signature.signed_by`.
        watched_ask_seconds: how often the API is asked for what is watched all the same: a push can be lost.
    """

    def __init__(
        self,
        url: str,
        *,
        websocket_url: str | None = None,
        authorize: Authorize | None = None,
        watched_ask_seconds: float = 60.0,
    ) -> None:
        self._url = url.rstrip("/")
        self._websocket_url = websocket_url
        self._authorize = authorize if authorize is not None else lambda *_: {}
        self._watched_ask_seconds = watched_ask_seconds
        self._http = httpx.AsyncClient(timeout=_CALL_LIMIT_SECONDS)
        self._waits: list[_Wait] = []
        self._wanted = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._drops = 0
        self._listener: asyncio.Task[None] | None = None

    async def submit(self, type_name: str, body: bytes, *, key: str, content_type: str = "application/json") -> State:
        """Hand a request in. It is sent until there is an answer, always under the same key: it is stored once.

        Args:
            type_name: which path it goes to.
            body: must be the same bytes for the same key.
            key: made once for this request, and kept for as long as the caller isn't sure of the answer.
            content_type: of the body.

        Returns:
            The present state, which is the outcome if the request was sent before.

        Raises:
            RefusedError: the API won't take it.
        """
        headers = {"Content-Type": content_type, "Idempotency-Key": key}
        failures = 0
        while (answer := await self._call("PUT", f"/{type_name}", headers, body)).state is None:
            await asyncio.sleep(max(_jittered(failures), answer.wait_seconds))
            failures += 1
        return answer.state

    async def outcome(self, type_name: str, request_id: str) -> State:
        """Wait for a request's outcome.

        Returns:
            The state: done, failed, or unknown if this caller has no such request.

        Raises:
            RefusedError: the API won't tell.
        """
        wait = _Wait(type=type_name, id=request_id, ask_at=_now() + _FIRST_ASK_SECONDS)
        self._waits.append(wait)
        self._wanted.set()
        asking = asyncio.create_task(self._ask(wait))
        try:
            if self._socket is not None:
                await self._watch(self._socket, [wait])
            # A call that hangs must not keep what is pushed meanwhile.
            await asyncio.wait([wait.told, asking], return_when=asyncio.FIRST_COMPLETED)
            return await (wait.told if wait.told.done() else asking)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            self._waits.remove(wait)
            if not self._waits:
                self._wanted.clear()

    async def _ask(self, wait: _Wait) -> State:
        """Ask now and then, until the API knows the outcome."""
        failures = 0
        while True:
            wait.changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wait.changed.wait(), max(0.0, wait.ask_at - _now()))
                continue
            try:
                answer = await self._call("GET", f"/{wait.type}/{quote(wait.id, safe='@~')}", {}, b"")
            except RefusedError as refused:
                if refused.error != "unknown_id":
                    raise
                return State(id=wait.id, status=UNKNOWN)
            if answer.state is not None and answer.state.settled:
                return answer.state
            failures = failures + 1 if answer.state is None else 0
            pause = max(_jittered(failures) if failures else _FIRST_PAUSE_SECONDS, answer.wait_seconds)
            wait.ask_at = _now() + (max(pause, self._watched_ask_seconds) if wait.watched else pause)

    async def _call(self, method: str, path: str, headers: Mapping[str, str], content: bytes) -> _Answer:
        """Make one call.

        Raises:
            RefusedError: for an answer that would be the same again.
        """
        url = self._url + path
        headers = {**headers, **self._authorize(method, url, content)}
        try:
            answer = await self._http.request(method, url, content=content, headers=headers)
        except httpx.TransportError as error:
            _LOG.info("no answer: %s", type(error).__name__)
            return _Answer(state=None, wait_seconds=0)
        wait = answer.headers.get("Retry-After", "")
        wait_seconds = float(wait) if wait.isdecimal() else 0.0
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
            return _Answer(state=None, wait_seconds=wait_seconds)
        body = _decoded(answer.content)
        if not answer.is_success:
            raise RefusedError(answer.status_code, body)
        return _Answer(state=_state(body), wait_seconds=wait_seconds)

    async def _stay_connected(self, url: str) -> None:
        """Hold one connection after the other, while there is anything to wait for."""
        while True:
            await self._wanted.wait()
            try:
                # Asking finds what a connection that died unnoticed would miss: no pings are needed for it.
                proof = self._authorize("GET", url, b"")
                async with connect(url, additional_headers=proof, ping_interval=None, close_timeout=1) as socket:
                    await self._listen(socket)
            except Exception as error:  # noqa: BLE001 - also of `authorize`: asking goes on, and the next try may do
                _LOG.info("no WebSocket: %s", type(error).__name__)
            await asyncio.sleep(_jittered(self._drops))
            self._drops += 1

    async def _listen(self, socket: ClientConnection) -> None:
        self._socket = socket
        try:
            await self._watch(socket, self._waits)
            async for frame in socket:
                if not self._received(_decoded(frame)):
                    return
        finally:
            self._socket = None
            for wait in self._waits:
                if wait.watched:
                    wait.watched = False
                    # Not all clients at once: when a server goes, it goes for all of them.
                    wait.ask_in(random.uniform(0, _FIRST_ASK_SECONDS))

    async def _watch(self, socket: ClientConnection, waits: Sequence[_Wait]) -> None:
        for type_name in sorted({wait.type for wait in waits}):
            ids = [wait.id for wait in waits if wait.type == type_name]
            for first in range(0, len(ids), _IDS_PER_WATCH):
                message = {"action": "watch", "type": type_name, "ids": ids[first : first + _IDS_PER_WATCH]}
                # A connection that takes nothing in must not keep anybody from asking.
                with contextlib.suppress(ConnectionClosed, TimeoutError):
                    await asyncio.wait_for(socket.send(json.dumps(message)), _FIRST_ASK_SECONDS)

    def _received(self, frame: Mapping[str, Any]) -> bool:
        """Take a frame in; return whether the connection is still good for something."""
        state = _state(frame)
        if state is None:
            # A watch wasn't taken. A new connection watches anew, later each time it doesn't help.
            _LOG.warning("the server says: %s", frame.get("message"))
            return False
        self._drops = 0
        for wait in self._waits:
            if (wait.type, wait.id) != (frame.get("type"), state.id):
                continue
            if state.settled and not frame.get("result_omitted"):
                if not wait.told.done():
                    wait.told.set_result(state)
            elif state.settled or state.status == UNKNOWN:
                # The HTTP API knows the whole result, and has the last word on what is unknown.
                wait.ask_in(0)
            else:
                wait.watched = True
                wait.ask_in(self._watched_ask_seconds)
        return True

    async def __aenter__(self) -> Self:
        if self._websocket_url is not None:
            self._listener = asyncio.create_task(self._stay_connected(self._websocket_url))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])
        await self._http.aclose()


def _state(body: Mapping[str, Any]) -> State | None:
    if not {"id", "status"} <= body.keys():
        return None
    return State(id=body["id"], status=body["status"], error=body.get("error"), result=body.get("result"))


def _decoded(text: str | bytes) -> Mapping[str, Any]:
    with contextlib.suppress(ValueError):
        if isinstance(body := json.loads(text), dict):
            return body
    return {}


def _jittered(failures: int) -> float:
    return min(_FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 16), _LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1)


def _now() -> float:
    return asyncio.get_running_loop().time()

"""The function behind the WebSocket API: who connects, who goes, who wants to watch."""

import time
from collections.abc import Mapping
from functools import partial
from logging import getLogger
from typing import Any, Final

from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.tally import Tally
from dropslot.core.feedback import Fault
from dropslot.core.watch import unknown_action
from dropslot.engine.feedback_ports import Pusher, Standings, Watches
from dropslot.engine.watching import Watching
from dropslot.runtimes.lambda_.caller import Auth, caller_of
from dropslot.runtimes.lambda_.feedback import Feedback
from dropslot.runtimes.lambda_.feedback_settings import FeedbackSettings
from dropslot.runtimes.lambda_.function import Function
from dropslot.runtimes.lambda_.web_socket_event import WebSocketEvent, web_socket_event

_log: Final = getLogger(__name__)

_BINARY: Final = Fault("bad_message", "The message is binary. Send it as text.")


class WebSocket:
    """Serves events of the API.

    Args:
        auth: how who connects proves who it is.
        cors_origin: the origin whose pages may connect, or ``*``; "" for none.
        watches: the table of connections.
        standings: the table of requests.
        pusher: the API's connections.
    """

    def __init__(self, *, auth: Auth, cors_origin: str, watches: Watches, standings: Standings, pusher: Pusher) -> None:
        self._auth: Auth = auth
        self._cors_origin = cors_origin
        self._watches = watches
        counters = MemoryCounters()
        self._tally = Tally(counters.totals, monotonic_seconds=time.monotonic)
        self._watching = Watching(watches=watches, standings=standings, pusher=pusher, counters=counters)

    async def serve(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Serve one event; messages are answered by pushes, since a route has no answer of its own.

        Returns:
            A status: 200, or 403 for somebody who can't be told from others and for pages of other origins: they aren't
            connected.

        Raises:
            UnexpectedEventError: the event is none of a WebSocket API.
            TransientError: a table is out of reach. API Gateway refuses who connects, and tells who sent a message.
        """
        happened = web_socket_event(event)
        connection = happened.request_context.connection_id
        match happened.request_context.event_type:
            case "CONNECT":
                if not self._welcomes(happened.origin):
                    _log.warning("origin_refused", extra={"cors_origin": self._cors_origin})
                    return {"statusCode": 403}
                caller = caller_of(happened.request_context.identity, self._auth)
                if caller is None:
                    _log.warning("caller_unknown", extra={"auth": self._auth})
                    return {"statusCode": 403}
                await self._watches.connect(connection, caller)
            case "DISCONNECT":
                await self._watches.disconnect(connection)
            case "MESSAGE":
                await self._message(connection, happened)
        return {"statusCode": 200}

    def _welcomes(self, origin: str | None) -> bool:
        # Browsers let the pages of any site open WebSockets and read from them: nobody else asks.
        return origin is None or self._cors_origin in {"*", origin}

    async def _message(self, connection: str, event: WebSocketEvent) -> None:
        text = event.body if event.body is not None else ""
        try:
            if event.is_base64_encoded:
                await self._watching.refuse(connection, _BINARY)
            elif event.request_context.route_key == "watch":
                await self._watching.watch(connection, text)
            else:
                await self._watching.refuse(connection, unknown_action(text))
        finally:
            self._tally.tell()


def socket_function(environment: Mapping[str, str]) -> Function[WebSocket]:
    """Return the handler of a function that a WebSocket API calls for each of its routes.

    Args:
        environment: of the process; read at the first invocation.
    """
    return Function(environment, read=FeedbackSettings.for_socket, build=partial(_build, environment), serve=_serve)


def _build(environment: Mapping[str, str], settings: FeedbackSettings, _remaining_ms: float) -> WebSocket:
    feedback = Feedback.open(environment, settings)
    return WebSocket(
        auth=settings.auth,
        cors_origin=settings.cors_origin,
        watches=feedback.watches,
        standings=feedback.standings,
        pusher=feedback.pusher,
    )


async def _serve(web_socket: WebSocket, event: Mapping[str, Any], _remaining_ms: float) -> dict[str, Any]:
    return await web_socket.serve(event)

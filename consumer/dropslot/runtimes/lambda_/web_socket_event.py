"""The event that a WebSocket API of API Gateway hands over.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from dropslot.runtimes.lambda_.caller import Identity
from dropslot.runtimes.lambda_.event import UnexpectedEventError


class WebSocketContext(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What the API says of a message.

    Args:
        event_type: what happened.
        route_key: which route took it; the client chooses that of a message.
        connection_id: names the connection, as long as it lives.
        identity: who connected.
    """

    event_type: Literal["CONNECT", "DISCONNECT", "MESSAGE"]
    route_key: str
    connection_id: str
    identity: Identity = Identity()


class WebSocketEvent(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A connection that comes or goes, or a message.

    Args:
        request_context: see there.
        headers: of a handshake, in the client's spelling.
        body: the message; None without one.
        is_base64_encoded: it came as binary.
    """

    request_context: WebSocketContext
    headers: dict[str, str] | None = None
    body: str | None = None
    is_base64_encoded: bool = False

    @property
    def origin(self) -> str | None:
        """Origin of the page that connects, which browsers don't let it choose; None from what is no browser."""
        headers = self.headers if self.headers is not None else {}
        return next((value for name, value in headers.items() if name.lower() == "origin"), None)


def web_socket_event(event: Mapping[str, Any]) -> WebSocketEvent:
    """Return the event, typed.

    Raises:
        UnexpectedEventError: it is none of a WebSocket API.
    """
    try:
        return msgspec.convert(event, WebSocketEvent)
    except msgspec.ValidationError as wrong:
        raise UnexpectedEventError(f"the event is none of a WebSocket API: {wrong}") from None

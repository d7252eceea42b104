"""Events of a WebSocket API as Lambda functions get them.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
"""

import base64
import json
import secrets
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

from dropslot.local.gateway.incoming import Incoming
from dropslot.local.socket.connection import Connection
from dropslot.local.socket.options import ROUTES, STAGE

CONNECT: Final = "$connect"
DISCONNECT: Final = "$disconnect"
DEFAULT: Final = "$default"

_API_ID: Final = "local"


def connect_event(connection: Connection, incoming: Incoming, identity: Mapping[str, str]) -> dict[str, Any]:
    """Return the event of a handshake.

    Args:
        connection: about to be opened.
        incoming: its HTTP request.
        identity: what is known of the caller, none where nobody was asked.
    """
    context = {**_context(connection, CONNECT, "CONNECT"), "identity": {**connection.identity, **identity}}
    return {
        "headers": dict(incoming.headers),
        "multiValueHeaders": {name: [value] for name, value in incoming.headers.items()},
        **(
            {
                "queryStringParameters": dict(incoming.query),
                "multiValueQueryStringParameters": {name: [value] for name, value in incoming.query.items()},
            }
            if incoming.query
            else {}
        ),
        "requestContext": context,
        "isBase64Encoded": False,
    }


def message_event(connection: Connection, body: str) -> dict[str, Any]:
    """Return the event of a client's message, for the route that it selects."""
    context = {**_context(connection, route_of(body), "MESSAGE"), "messageId": _short_id()}
    return {"requestContext": context, "body": body, "isBase64Encoded": False}


def disconnect_event(connection: Connection, *, code: int, reason: str) -> dict[str, Any]:
    """Return the event of a closed connection."""
    context = {
        **_context(connection, DISCONNECT, "DISCONNECT"),
        "disconnectStatusCode": code,
        "disconnectReason": reason,
    }
    headers = {"Host": connection.host, "x-api-key": "", "x-restapi": ""}
    return {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": context,
        "isBase64Encoded": False,
    }


def route_of(body: str) -> str:
    """Return the route that a message selects, by the expression `$request.body.action`.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return DEFAULT
    action = message.get("action") if isinstance(message, dict) else None
    return action if isinstance(action, str) and action in ROUTES else DEFAULT


def _context(connection: Connection, route: str, event_type: str) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    extended_id = _short_id()
    return {
        "routeKey": route,
        "eventType": event_type,
        "messageDirection": "IN",
        "stage": STAGE,
        "apiId": _API_ID,
        "domainName": connection.host,
        "connectionId": connection.id,
        "connectedAt": connection.connected_at_ms,
        "requestId": str(uuid.uuid4()),
        "extendedRequestId": extended_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now_ms // 1000)),
        "requestTimeEpoch": now_ms,
        "identity": dict(connection.identity),
    }


def _short_id() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()

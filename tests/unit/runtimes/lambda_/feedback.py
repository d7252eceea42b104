"""Events of a WebSocket API, as API Gateway makes them."""

import json
from typing import Any

CONNECTION = "L0SM9cOFvHcCIhw="


def socket_event(
    route: str, body: str | None = None, *, connection: str = CONNECTION, **identity: str
) -> dict[str, Any]:
    """Return the event of a route."""
    context = {
        "routeKey": route,
        "eventType": {"$connect": "CONNECT", "$disconnect": "DISCONNECT"}.get(route, "MESSAGE"),
        "connectionId": connection,
        "connectedAt": 1_760_000_000_000,
        "requestId": "Jd0SM9cOFvHcCIhw=",
        "stage": "v1",
        "messageDirection": "IN",
        "identity": {"cognitoIdentityId": None, "caller": None, "sourceIp": "203.0.113.1", **identity},
    }
    event: dict[str, Any] = {"requestContext": context, "isBase64Encoded": False}
    return event if body is None else {**event, "body": body}


def connect_event(origin: str | None = None, *, header: str = "Origin", **identity: str) -> dict[str, Any]:
    """Return the event of a handshake, as of a page of this origin; None is no browser."""
    headers = {"Host": "a1b2c3.execute-api.eu-central-1.amazonaws.com", "Sec-WebSocket-Version": "13"}
    return {
        **socket_event("$connect", **identity),
        "headers": headers if origin is None else {**headers, header: origin},
    }


def watch_event(*ids: str, type_name: str = "orders", connection: str = CONNECTION) -> dict[str, Any]:
    """Return the event of a message that wants to watch."""
    return socket_event("watch", json.dumps({"action": "watch", "type": type_name, "ids": ids}), connection=connection)

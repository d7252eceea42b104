"""The API by which functions reach connections: POST, GET and DELETE of `/<stage>/@connections/<id>`.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

from starlette.responses import Response

from dropslot.local.gateway.authentication import RefusedError
from dropslot.local.gateway.incoming import Incoming
from dropslot.local.socket.connection import NORMAL, Connection, Connections, GoneError, SlowClientError
from dropslot.local.socket.gate import Gate
from dropslot.local.socket.options import STAGE

#: A client that builds the path by itself may have escaped the sign.
_PREFIXES: Final = tuple(f"/{STAGE}/{sign}connections/" for sign in ("@", "%40"))
#: By which SDKs tell one error from another.
_ERROR_TYPE: Final = "x-amzn-ErrorType"


class Management:
    """Answers calls of the management API.

    Args:
        connections: those that can be reached.
        gate: who may call.
    """

    def __init__(self, connections: Connections, gate: Gate) -> None:
        self._connections = connections
        self._gate = gate

    async def answer(self, incoming: Incoming) -> Response:
        """Answer one call; `incoming` has no body if that was larger than a message may be."""
        prefix = next((each for each in _PREFIXES if incoming.path.startswith(each)), None)
        if prefix is None:
            # Also what a browser gets that opens the API's own address: there are no pages.
            return _error(403, "ForbiddenException", "Forbidden")
        if incoming.body is None:
            return _error(413, "PayloadTooLargeException", "Payload Too Large")
        try:
            self._gate.check_pusher(incoming)
            connection = self._connections.find(unquote(incoming.path[len(prefix) :]))
            return await _do(incoming.method, connection, incoming.body)
        except RefusedError as error:
            return _error(error.error.value[0], "ForbiddenException", error.message)
        except GoneError:
            return _error(410, "GoneException", "Gone")
        except SlowClientError:
            return _error(429, "LimitExceededException", "The client doesn't read what it is sent.")


async def _do(method: str, connection: Connection, body: bytes) -> Response:
    match method:
        case "POST":
            try:
                text = body.decode()
            except UnicodeDecodeError:
                return _error(400, "BadRequestException", "Only text can be sent.")
            await connection.push(text)
            return Response(status_code=200)
        case "GET":
            return _json(
                200,
                {
                    "connectedAt": _timestamp(connection.connected_at_ms),
                    "lastActiveAt": _timestamp(connection.last_active_ms),
                    "identity": dict(connection.identity),
                },
            )
        case "DELETE":
            await connection.close(NORMAL, "Connection Closed Normally")
            return Response(status_code=204)
    return _error(405, "MethodNotAllowedException", "Method Not Allowed")


def _timestamp(epoch_ms: int) -> str:
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(status: int, kind: str, message: str) -> Response:
    response = _json(status, {"message": message})
    response.headers[_ERROR_TYPE] = kind
    return response


def _json(status: int, document: Any) -> Response:
    return Response(json.dumps(document), status_code=status, media_type="application/json")

"""Frames by the management API of API Gateway's WebSocket APIs.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from dropslot.adapters.wire.connections import Connections
from dropslot.adapters.wire.signature import Credentials, signed_headers
from dropslot.core.errors import TransientError
from dropslot.engine.feedback_ports import Delivery

#: API Gateway answers when it has the frame, not when the client has; a slow answer must hold up nobody else's.
PUSH_SECONDS: Final = 2.0


class ManagementPusher:
    """Pushes over plain HTTP connections, with as many of them as pushes are ever under way at once.

    Args:
        connections: to the API; belongs to the loop that uses this.
        stage_path: path of the stage, such as ``/v1``; "" without one.
        region: of the API.
        credentials: who calls; they live as long as this.
        push_seconds: what one push may take.
        now_epoch_seconds: the time that calls are signed with.
    """

    def __init__(
        self,
        connections: Connections,
        *,
        stage_path: str,
        region: str,
        credentials: Credentials,
        push_seconds: float = PUSH_SECONDS,
        now_epoch_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._connections = connections
        self._stage_path = stage_path
        self._region = region
        self._credentials = credentials
        self._push_seconds = push_seconds
        self._now_epoch_seconds = now_epoch_seconds

    async def push(self, connection: str, frame: bytes) -> Delivery:
        """See `Pusher.push`."""
        path = f"{self._stage_path}/@connections/{quote(connection, safe='')}"
        headers = signed_headers(
            frame,
            {"content-type": "application/json", "host": self._connections.host},
            canonical_path=quote(path),
            service="execute-api",
            region=self._region,
            credentials=self._credentials,
            now_epoch_seconds=self._now_epoch_seconds(),
        )
        try:
            async with asyncio.timeout(self._push_seconds):
                status, _ = await self._connections.post(headers, frame, path=path)
        except TimeoutError:
            return Delivery.SLOW
        except TransientError:
            return Delivery.FAILED
        if status == 410:
            return Delivery.GONE
        return Delivery.SENT if 200 <= status < 300 else Delivery.FAILED

"""The function behind the routes: invokes it, and makes of its answer what API Gateway does."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from logging import getLogger
from typing import Any, Final

import msgspec

from dropslot.local.mapping.function import Function

_log: Final = getLogger(__name__)


class IntegrationError(Exception):
    """The function failed, or answered in another form than it must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a function answered.

    Args:
        status: HTTP status.
        headers: of a handshake's answer.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300


class Integration:
    """A Lambda proxy integration.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integrations.html

    Args:
        function: gets the events.
        concurrency: invocations at once; others wait, since to fail them as AWS does would only disturb.
    """

    def __init__(self, function: Function, *, concurrency: int) -> None:
        self._function = function
        self._free = asyncio.Semaphore(concurrency)

    async def invoke(self, event: Mapping[str, Any]) -> Reply:
        """Hand over an event.

        Raises:
            IntegrationError: no answer came of it.
        """
        async with self._free:
            answer = await self._function.invoke(msgspec.json.encode(event))
        match answer.value:
            case {"statusCode": int(status)} if not answer.failed and 100 <= status < 600:
                headers = answer.value.get("headers") or {}
                return Reply(status=status, headers={str(name): str(value) for name, value in headers.items()})
        _log.warning(
            "integration_failed",
            extra={"route": event["requestContext"]["routeKey"], "request": answer.request_id},
        )
        raise IntegrationError

    async def close(self) -> None:
        """End the function's processes."""
        await self._function.close()

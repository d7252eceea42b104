"""The table of requests in DynamoDB without an SDK: importing and starting one takes most of a cold start."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from dropslot.adapters.requests.connections import Connections
from dropslot.adapters.requests.operations import Operations, ServiceError
from dropslot.adapters.requests.signature import Credentials, signed_headers
from dropslot.core.errors import TransientError

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class DirectRequests(Operations):
    """Calls over plain HTTP connections.

    Args:
        connections: to DynamoDB's endpoint; belongs to the loop that uses this.
        table: name of the table.
        region: its region.
        credentials: who calls; they live as long as this.
        now_epoch_seconds: the time that calls are signed with.
    """

    def __init__(
        self,
        connections: Connections,
        table: str,
        *,
        region: str,
        credentials: Credentials,
        now_epoch_seconds: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(table)
        self._connections = connections
        self._region = region
        self._credentials = credentials
        self._now_epoch_seconds = now_epoch_seconds

    def close(self) -> None:
        """Let go of the connections."""
        self._connections.close()

    async def _call(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        body = _encode(arguments)
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "host": self._connections.host,
            "x-amz-target": f"DynamoDB_20120810.{operation}",
        }
        signed = signed_headers(
            body,
            headers,
            credentials=self._credentials,
            region=self._region,
            now_epoch_seconds=self._now_epoch_seconds(),
        )
        try:
            status, content = await self._connections.post(signed, body)
            answer = _decode(content)
        except TransientError as error:
            raise TransientError(f"{operation} on table {self._table}: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise TransientError(f"{operation} on table {self._table}: HTTP {status} without JSON") from None
        if status != 200:
            code = str(answer.get("__type", f"HTTP {status}")).rpartition("#")[2]
            raise ServiceError(operation, self._table, code)
        return answer

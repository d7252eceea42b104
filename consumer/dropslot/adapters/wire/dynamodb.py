"""Calls of DynamoDB on one table."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from dropslot.adapters.wire.connections import Connections
from dropslot.adapters.wire.service_error import ServiceError
from dropslot.adapters.wire.signature import Credentials, signed_headers
from dropslot.core.errors import TransientError

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class TableCalls:
    """Calls over plain HTTP connections.

    Args:
        connections: to DynamoDB's endpoint; belongs to the loop that uses this.
        table: name of the table, for what errors say.
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
        self.table: Final = table
        self._connections = connections
        self._region = region
        self._credentials = credentials
        self._now_epoch_seconds = now_epoch_seconds

    def close(self) -> None:
        """Let go of the connections."""
        self._connections.close()

    async def call(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make one call, once.

        Args:
            operation: by DynamoDB's name.
            arguments: as its JSON has them.

        Returns:
            The answer, as its JSON has it.

        Raises:
            ServiceError: the answer is an error.
            TransientError: there is no answer; the call may have been carried out.
        """
        body = _encode(arguments)
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "host": self._connections.host,
            "x-amz-target": f"DynamoDB_20120810.{operation}",
        }
        signed = signed_headers(
            body,
            headers,
            service="dynamodb",
            region=self._region,
            credentials=self._credentials,
            now_epoch_seconds=self._now_epoch_seconds(),
        )
        try:
            status, content = await self._connections.post(signed, body)
            answer = _decode(content)
        except TransientError as error:
            raise TransientError(f"{operation} on table {self.table}: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise TransientError(f"{operation} on table {self.table}: HTTP {status} without JSON") from None
        if status != 200:
            code = str(answer.get("__type", f"HTTP {status}")).rpartition("#")[2]
            message = str(answer.get("message", answer.get("Message", "")))
            raise ServiceError(operation, self.table, code, item=answer.get("Item"), message=message)
        return answer

"""The table of requests in DynamoDB without an SDK."""

from collections.abc import Mapping
from typing import Any

from dropslot.adapters.requests.operations import Operations
from dropslot.adapters.wire.dynamodb import TableCalls


class DirectRequests(Operations):
    """Calls over plain HTTP connections.

    Args:
        calls: of the table.
    """

    def __init__(self, calls: TableCalls) -> None:
        super().__init__(calls.table)
        self._calls = calls

    def close(self) -> None:
        """Let go of the connections."""
        self._calls.close()

    async def _call(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._calls.call(operation, arguments)

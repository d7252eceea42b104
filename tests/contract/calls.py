"""Calls of a table for tests that each have a loop of their own."""

from collections.abc import Mapping
from typing import Any

from dropslot.adapters.wire.dynamodb import TableCalls


class OneCallAConnection(TableCalls):
    """Leaves no connection behind: each test has a loop of its own, which ends before its fixtures do."""

    async def call(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make one call."""
        try:
            return await super().call(operation, arguments)
        finally:
            self.close()

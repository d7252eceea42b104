"""Calls of DynamoDB on one table, whoever sends them."""

from collections.abc import Mapping
from typing import Any, Protocol


class Calls(Protocol):
    """Sends calls, each of them once."""

    @property
    def table(self) -> str:
        """Name of the table, for what errors say."""
        ...

    async def call(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make one call.

        Args:
            operation: by DynamoDB's name.
            arguments: as its JSON has them.

        Returns:
            The answer, as its JSON has it.

        Raises:
            ServiceError: the answer is an error.
            TransientError: there is no answer; the call may have been carried out.
        """
        ...

    def close(self) -> None:
        """Let go of connections, and of what else is held."""
        ...

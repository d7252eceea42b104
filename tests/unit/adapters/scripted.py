"""Calls of a table whose answers a test has written down."""

from collections.abc import Mapping
from typing import Any

Answer = Mapping[str, Any] | Exception


class ScriptedCalls:
    """Answers each call as the next entry of a script says.

    Args:
        script: answers, and errors.
        table: name of the table.
    """

    def __init__(self, *script: Answer, table: str = "requests") -> None:
        self.table = table
        self.made: list[tuple[str, Mapping[str, Any]]] = []
        self.closed = False
        self._script = list(script)

    async def call(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Calls.call`."""
        self.made.append((operation, dict(arguments)))
        answer = self._script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """See `Calls.close`."""
        self.closed = True

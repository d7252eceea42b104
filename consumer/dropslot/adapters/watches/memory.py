"""The table of connections in memory, for tests."""

from collections.abc import Collection, Mapping, Sequence

from dropslot.core.turn import Turn
from dropslot.engine.feedback_ports import Refusal


class MemoryWatches:
    """Twin of the DynamoDB adapter."""

    def __init__(self) -> None:
        self.connected: dict[str, str] = {}
        self.watches: dict[tuple[str, str], Turn] = {}
        self._claimed: dict[str, int] = {}

    async def connect(self, connection: str, caller: str) -> None:
        """See `Watches.connect`."""
        self.connected[connection] = caller
        self._claimed[connection] = 0

    async def disconnect(self, connection: str) -> None:
        """See `Watches.disconnect`."""
        self.connected.pop(connection, None)

    async def claim(self, connection: str, count: int, *, limit: int) -> str | Refusal:
        """See `Watches.claim`."""
        if connection not in self.connected:
            return Refusal.NOT_CONNECTED
        if self._claimed[connection] + count > limit:
            return Refusal.TOO_MANY
        self._claimed[connection] += count
        return self.connected[connection]

    async def register(self, connection: str, turns: Mapping[str, Turn]) -> None:
        """See `Watches.register`."""
        self.watches |= {(one, connection): turn for one, turn in turns.items()}

    async def watchers(self, item_id: str) -> Mapping[str, Turn]:
        """See `Watches.watchers`."""
        return {connection: turn for (one, connection), turn in sorted(self.watches.items()) if one == item_id}

    async def forget(self, watches: Sequence[tuple[str, str]]) -> None:
        """See `Watches.forget`."""
        for watch in watches:
            self.watches.pop(watch, None)

    async def forget_connections(self, connections: Collection[str]) -> None:
        """See `Watches.forget_connections`."""
        for connection in connections:
            await self.disconnect(connection)

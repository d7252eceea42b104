"""Doubles of feedback's ports that a test controls: tables that fail, clients that are slow."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dropslot.adapters.push.memory import MemoryPusher
from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.memory_standings import MemoryStandings
from dropslot.adapters.watches.memory import MemoryWatches
from dropslot.core.errors import TransientError
from dropslot.core.feedback import Standing
from dropslot.core.turn import Turn
from dropslot.engine.feedback_ports import Delivery


class FlakyWatches(MemoryWatches):
    """Out of reach where a test says so; keeps the order of what was called.

    Args:
        journal: takes the names of calls.
    """

    def __init__(self, journal: list[str]) -> None:
        super().__init__()
        self._journal = journal
        #: Ids whose watchers can't be looked up.
        self.unknown: set[str] = set()
        self.cannot_forget = False

    async def register(self, connection: str, turns: Mapping[str, Turn]) -> None:
        """Register and say so."""
        self._journal.append("register")
        await super().register(connection, turns)

    async def watchers(self, item_id: str) -> Mapping[str, Turn]:
        """Look up, if it can be."""
        if item_id in self.unknown:
            raise TransientError("Query on table connections: throttled")
        return await super().watchers(item_id)

    async def forget(self, watches: Sequence[tuple[str, str]]) -> None:
        """Forget, if it can be."""
        if self.cannot_forget:
            raise TransientError("BatchWriteItem on table connections: throttled")
        if watches:
            self._journal.append("forget")
        await super().forget(watches)

    async def disconnect(self, connection: str) -> None:
        """Forget who was there, if that can be."""
        if self.cannot_forget:
            raise TransientError("DeleteItem on table connections: throttled")
        await super().disconnect(connection)


class NotedStandings(MemoryStandings):
    """Keeps the order of what was called, and calls what a test wants to happen just before a look.

    Args:
        requests: the table.
        journal: takes the names of calls.
    """

    def __init__(self, requests: MemoryRequests, journal: list[str]) -> None:
        super().__init__(requests)
        self._journal = journal
        #: Called before the first look, the second and so on; those after have nothing to call.
        self.before: list[Callable[[], None]] = []

    async def read(self, ids: Sequence[str]) -> Mapping[str, Standing]:
        """Read and say so."""
        self._journal.append("read")
        if self.before:
            self.before.pop(0)()
        return await super().read(ids)


class Clients(MemoryPusher):
    """Connections of which some are slow or refuse.

    Args:
        journal: takes the names of calls.
    """

    def __init__(self, journal: list[str]) -> None:
        super().__init__()
        self._journal = journal
        #: Connections whose pushes never end.
        self.stuck: set[str] = set()
        self.failing: set[str] = set()
        self.slow: set[str] = set()
        self.asked: list[str] = []

    async def push(self, connection: str, frame: bytes) -> Delivery:
        """Push as the connection lets it."""
        self._journal.append("push")
        self.asked.append(connection)
        if connection in self.stuck:
            await asyncio.Event().wait()
        if connection in self.failing:
            return Delivery.FAILED
        if connection in self.slow:
            await asyncio.sleep(0)
            return Delivery.SLOW
        return await super().push(connection, frame)

    def told(self, connection: str) -> list[dict[str, Any]]:
        """Return what a connection was sent."""
        return [json.loads(frame) for one, frame in self.sent if one == connection]

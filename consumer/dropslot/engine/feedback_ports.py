"""The outside things that feedback works with; each has a real adapter and an in-memory twin."""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import Protocol

from dropslot.core.feedback import Standing
from dropslot.core.turn import Turn


class Refusal(Enum):
    """Why a connection can't watch."""

    #: Nobody is known by it.
    NOT_CONNECTED = "not_connected"
    #: It would have watched more than a connection may.
    TOO_MANY = "too_many"


class Delivery(Enum):
    """What became of a frame; the value is the name of its counter."""

    #: API Gateway took it.
    SENT = "pushed"
    #: The connection is closed, for good.
    GONE = "push_gone"
    #: It was refused, or there is no answer. It may have arrived.
    FAILED = "push_failed"
    #: It wasn't taken in time.
    SLOW = "push_slow"


class Watches(Protocol):
    """The table of connections: who is connected, and who waits for which request.

    Every method raises `TransientError` when nothing is known; each can be repeated, to the same effect but for
    `claim`, which then counts twice.
    """

    async def connect(self, connection: str, caller: str) -> None:
        """Note who is on a connection."""
        ...

    async def disconnect(self, connection: str) -> None:
        """Forget who was on it. Its watches stay, and are forgotten when they come up or by their age."""
        ...

    async def claim(self, connection: str, count: int, *, limit: int) -> str | Refusal:
        """Return the caller who is on a connection, and count what it watches.

        Args:
            connection: its id.
            count: how many requests it is going to watch.
            limit: how many it may watch in its life.
        """
        ...

    async def register(self, connection: str, turns: Mapping[str, Turn]) -> None:
        """Watch requests; what is watched already is watched from the new turn on.

        Once it returns, `watchers` of each of them returns this connection.

        Args:
            connection: its id.
            turns: by the keys of items, the turn in which each was seen unsettled: an earlier one's outcome is no news.
        """
        ...

    async def watchers(self, item_id: str) -> Mapping[str, Turn]:
        """Return the connections that watch a request, whether they are still there or not, and each one's first turn.

        Strongly consistent.
        """
        ...

    async def forget(self, watches: Sequence[tuple[str, str]]) -> None:
        """End watches, there or not.

        Args:
            watches: key of an item and connection, each pair once.
        """
        ...

    async def forget_connections(self, connections: Collection[str]) -> None:
        """Forget who was on connections that are gone, as `disconnect` does.

        Args:
            connections: their ids, any number, each once.
        """
        ...


class Standings(Protocol):
    """The table of requests, as its clients may see it."""

    async def read(self, ids: Sequence[str]) -> Mapping[str, Standing]:
        """Return how requests stand, strongly consistent; without those that aren't there.

        Args:
            ids: keys of items, any number.

        Raises:
            TransientError: nothing is known; the call can be repeated.
        """
        ...


class Pusher(Protocol):
    """Sends frames to connections."""

    async def push(self, connection: str, frame: bytes) -> Delivery:
        """Send a frame, within a few seconds; never raises for what becomes of it."""
        ...

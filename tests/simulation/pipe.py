"""The pipes between a daemon and its shard process: the product's own channel, without the descriptors."""

import asyncio
from collections import deque
from collections.abc import Callable

from dropslot.runtimes.kcl.protocol import Channel, CheckpointReply, Message, ProtocolError
from tests.simulation.blocking import BlockingCode
from tests.simulation.loop import Loop


class Pipe(Channel):
    """One shard process's end, and the daemon's calls on it.

    Args:
        loop: time.
        checkpointed: the daemon's ear for checkpoints.
    """

    def __init__(self, loop: Loop, checkpointed: Callable[[str | None], None]) -> None:
        self._loop = loop
        self._checkpointed = checkpointed
        self._open: str | None = None
        self._buffer = bytearray()
        self._while_waiting = None
        self._inbox: deque[Message | CheckpointReply] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._status: asyncio.Future[None] | None = None
        self._closed = False
        #: What blocks on the pipe; set before it starts.
        self.code: BlockingCode | None = None

    def exchange(self, message: Message) -> "asyncio.Future[None]":
        """Send a message; the future is done when its status has come, and never if the process dies before."""
        self._status = self._loop.create_future()
        self._push(message)
        return self._status

    def reply(self, error: str | None) -> None:
        """Answer a checkpoint."""
        self._push(CheckpointReply(error=error))

    def close(self) -> None:
        """Close the daemon's end."""
        self._closed = True
        self._wake()

    def hung_up(self) -> bool:
        """See `Channel.hung_up`."""
        return self._closed

    def _push(self, message: Message | CheckpointReply) -> None:
        self._inbox.append(message)
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _next(self) -> Message | CheckpointReply | None:
        assert self.code is not None
        while not self._inbox:
            if self._closed:
                return None
            self._arrival = self._loop.create_future()
            self.code.wait(self._arrival)
        return self._inbox.popleft()

    def _write(self, action: dict[str, str | None]) -> None:
        if self._closed:
            raise ProtocolError(f"the daemon went away before it was told {action['action']}")
        if action["action"] == "checkpoint":
            self._checkpointed(action["sequenceNumber"])
        elif self._status is not None and not self._status.done():
            self._status.set_result(None)

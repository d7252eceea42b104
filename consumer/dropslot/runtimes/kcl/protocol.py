"""The MultiLang protocol: one JSON message a line between the KCL daemon and a shard process."""

import os
import select
from collections.abc import Callable
from typing import Final

import msgspec

from dropslot.core.errors import DropslotError

# Linux pipes hold 64 KB unless enlarged; one read empties them.
_READ_BYTES: Final = 1 << 16
#: How long a wait for the daemon may last before `while_waiting` calls back.
_WAIT_MS: Final = 1000


class ProtocolError(DropslotError):
    """The daemon sent what the protocol doesn't allow, or went away in the middle: nothing more can be said to it."""


class CheckpointError(DropslotError):
    """The daemon refused a checkpoint.

    Args:
        name: simple name of the Java exception.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    @property
    def passing(self) -> bool:
        """True if the same checkpoint can succeed later."""
        return self.name in _PASSING

    @property
    def lease_lost(self) -> bool:
        """True if this worker no longer holds the shard: it must never checkpoint again."""
        return self.name == "ShutdownException"


# InvalidStateException is what KCL makes of a lease table that can't be reached or is being created.
_PASSING: Final = frozenset(
    {"ThrottlingException", "KinesisClientLibDependencyException", "InvalidStateException", "DependencyException"}
)


class _Message(msgspec.Struct, tag_field="action", rename="camel", frozen=True, gc=False):
    pass


class Initialize(_Message, tag="initialize", frozen=True):
    """The first message: which shard this process reads."""

    shard_id: str


class WireRecord(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """A record as the daemon writes it; `data` travels as base64, the timestamp in epoch milliseconds."""

    sequence_number: str
    data: bytes | None = None
    approximate_arrival_timestamp: int | None = None


class ProcessRecords(_Message, tag="processRecords", frozen=True):
    """A batch, empty when the shard has nothing new."""

    records: list[WireRecord]
    millis_behind_latest: int | None = None


class CheckpointReply(_Message, tag="checkpoint", frozen=True):
    """The answer to a checkpoint; `error` names the Java exception."""

    sequence_number: str | None = None
    error: str | None = None


class LeaseLost(_Message, tag="leaseLost", frozen=True):
    """Another worker reads the shard now."""


class ShardEnded(_Message, tag="shardEnded", frozen=True):
    """The shard was split or merged, and all its records were delivered."""


class ShutdownRequested(_Message, tag="shutdownRequested", frozen=True):
    """The daemon is about to stop: the last chance to checkpoint."""


Message = Initialize | ProcessRecords | LeaseLost | ShardEnded | ShutdownRequested


class Channel:
    """One shard process's end of the pipes.

    Works on raw descriptors with a buffer of its own, so that `unread` can tell whether the process may be replaced
    by exec: what Python's streams have buffered would be lost.

    Args:
        input_fd: where the daemon's messages come from.
        output_fd: where actions go to.
    """

    def __init__(self, input_fd: int, output_fd: int) -> None:
        self.input_fd = input_fd
        self.output_fd = output_fd
        self._while_waiting: Callable[[], None] | None = None
        self._buffer = bytearray()
        self._open: str | None = None
        self._decoder = msgspec.json.Decoder(Message | CheckpointReply)
        self._poll = select.poll()
        self._poll.register(input_fd, select.POLLIN)

    @property
    def open_action(self) -> str | None:
        """Action of the message whose status is owed; only while there is one can anything be said to the daemon."""
        return self._open

    @property
    def unread(self) -> bool:
        """True if bytes of a later message were read already."""
        return bool(self._buffer)

    def while_waiting(self, call: Callable[[], None]) -> None:
        """Have this called about once a second while the daemon is waited for."""
        self._while_waiting = call

    def resume(self, action: str) -> None:
        """Go on where a replaced process image left off: the status of this action is owed."""
        self._open = action

    def receive(self) -> Message | None:
        """Wait for the next message and open it.

        Returns:
            The message, or None when the daemon closed its end.

        Raises:
            ProtocolError: on anything that isn't a message, or while another one is open.
        """
        if self._open is not None:
            raise ProtocolError(f"the status of {self._open} is owed before another message can be received")
        message = self._next()
        if isinstance(message, CheckpointReply):
            raise ProtocolError("a checkpoint reply came unasked")
        if message is not None:
            self._open = _ACTIONS[type(message)]
        return message

    def checkpoint(self, sequence_number: str | None) -> None:
        """Set the shard's checkpoint and wait for the answer; only while a message is open.

        Args:
            sequence_number: last record that is resolved; None stands for the end of what was delivered, and is how
                an ended shard is closed.

        Raises:
            CheckpointError: when the daemon refused.
            ProtocolError: when no message is open, or the answer is something else.
        """
        if self._open is None:
            raise ProtocolError("a checkpoint was asked for with no message open: its answer would never come")
        self._write({"action": "checkpoint", "sequenceNumber": sequence_number, "subSequenceNumber": None})
        reply = self._next()
        if not isinstance(reply, CheckpointReply):
            raise ProtocolError(f"expected a checkpoint reply, got {_describe(reply)}")
        if reply.error is not None:
            raise CheckpointError(reply.error)

    def status(self) -> None:
        """Tell the daemon that the open message is dealt with, and close it.

        Raises:
            ProtocolError: when no message is open.
        """
        if self._open is None:
            raise ProtocolError("a status was about to be sent with no message open")
        self._write({"action": "status", "responseFor": self._open})
        self._open = None

    def hung_up(self) -> bool:
        """Say, without waiting, whether the daemon has gone."""
        return any(event & (select.POLLHUP | select.POLLERR) for _, event in self._poll.poll(0))

    def _write(self, action: dict[str, str | None]) -> None:
        # The leading newline ends whatever a child of the handler may have written to the same pipe without one.
        line = memoryview(b"\n" + msgspec.json.encode(action) + b"\n")
        try:
            while line:
                line = line[os.write(self.output_fd, line) :]
        except BrokenPipeError as gone:
            raise ProtocolError(f"the daemon went away before it was told {action['action']}") from gone

    def _next(self) -> Message | CheckpointReply | None:
        while True:
            line = self._line()
            if line is None:
                return None
            if line.strip():
                try:
                    message: Message | CheckpointReply = self._decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
                    # The reason, never the line: it holds payloads.
                    raise ProtocolError(f"a line of {len(line)} bytes is not a message: {wrong}") from None
                return message

    def _line(self) -> bytes | None:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            while not self._poll.poll(_WAIT_MS):
                if self._while_waiting is not None:
                    self._while_waiting()
            chunk = os.read(self.input_fd, _READ_BYTES)
            if not chunk:
                if self._buffer:
                    raise ProtocolError(f"the daemon went away in the middle of a message, after {searched} bytes")
                return None
            self._buffer += chunk
        line = bytes(memoryview(self._buffer)[:end])
        del self._buffer[: end + 1]
        return line


_ACTIONS: Final[dict[type[Message], str]] = {
    Initialize: "initialize",
    ProcessRecords: "processRecords",
    LeaseLost: "leaseLost",
    ShardEnded: "shardEnded",
    ShutdownRequested: "shutdownRequested",
}


def _describe(message: Message | CheckpointReply | None) -> str:
    return "the end of the input" if message is None else type(message).__name__

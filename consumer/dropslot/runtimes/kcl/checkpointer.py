"""Keeps one shard's checkpoint, which may never pass a record that isn't resolved."""

import logging
from collections.abc import Callable
from typing import Final

from dropslot.core.errors import TransientError
from dropslot.runtimes.kcl.protocol import Channel, CheckpointError, ProtocolError

log = logging.getLogger(__name__)

#: A new checkpoint costs the daemon a write of 8 to 25 ms, during which nothing is read: so at most one a second.
_INTERVAL_SECONDS: Final = 1.0
#: Pauses between tries of a checkpoint that must succeed before the process ends.
_PAUSES_SECONDS: Final = (0.1, 0.5, 1.0, 2.0)


class TableUnreachableError(TransientError):
    """A table couldn't be reached for too long: the process ends, and the lease goes on from its checkpoint."""


class Checkpointer:
    """Sets the checkpoint through a channel; all methods need an open message.

    Args:
        channel: the daemon.
        monotonic_seconds: the clock.
        pause_seconds: waits between tries.
    """

    def __init__(
        self, channel: Channel, *, monotonic_seconds: Callable[[], float], pause_seconds: Callable[[float], None]
    ) -> None:
        self._channel = channel
        self._now = monotonic_seconds
        self._pause = pause_seconds
        self._last_at = float("-inf")
        #: The last one that the daemon accepted.
        self.position: str | None = None
        #: False once another worker may have the shard: then nothing is ever checkpointed again.
        self.lease_held = True

    def advance(self, reached: str | None) -> None:
        """Bring the checkpoint up to what is resolved, if it moved and the last one is long enough ago.

        Args:
            reached: sequence number up to which all is resolved; None if nothing is.

        Raises:
            ProtocolError: when the daemon refuses it for good.
        """
        if self._now() - self._last_at >= _INTERVAL_SECONDS:
            self._try(reached)

    def persist(self, reached: str | None) -> None:
        """Do the same for the last time: at once, and again until it succeeds.

        Raises:
            ProtocolError: as above.
            TableUnreachableError: when it didn't succeed in a few seconds.
        """
        self._insist(lambda: self._try(reached))

    def close_shard(self) -> None:
        """Mark an ended shard as read to its end; without that its children are never read.

        Raises:
            ProtocolError: as above.
            TableUnreachableError: as above.
        """
        self._insist(lambda: not self.lease_held or self._set(None))

    def _insist(self, attempt: Callable[[], bool]) -> None:
        for pause in _PAUSES_SECONDS:
            if attempt():
                return
            self._pause(pause)
        if not attempt():
            raise TableUnreachableError("the last checkpoint could not be written")

    def _try(self, reached: str | None) -> bool:
        if not self.lease_held or reached is None or reached == self.position:
            return True
        self._last_at = self._now()
        done = self._set(reached)
        if done and self.lease_held:
            self.position = reached
        return done

    def _set(self, sequence_number: str | None) -> bool:
        """Return False if the same checkpoint should be tried again."""
        try:
            self._channel.checkpoint(sequence_number)
        except CheckpointError as refused:
            log.warning("checkpoint_refused", extra={"error": refused.name})
            if refused.lease_lost:
                self.lease_held = False
                return True
            if not refused.passing:
                raise ProtocolError(f"the daemon refused a checkpoint: {refused.name}") from refused
            return False
        return True

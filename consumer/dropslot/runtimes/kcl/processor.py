"""What a shard process does with each message: feed the engine, checkpoint what is resolved, lose nothing."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dropslot.adapters.tally import Tally
from dropslot.core.errors import DropslotError
from dropslot.engine.stream_record import StreamRecord
from dropslot.runtimes.kcl.checkpointer import Checkpointer, TableUnreachableError
from dropslot.runtimes.kcl.engine_port import Engine
from dropslot.runtimes.kcl.handover import Handover
from dropslot.runtimes.kcl.heartbeat import Heartbeat
from dropslot.runtimes.kcl.protocol import (
    Channel,
    Initialize,
    LeaseLost,
    Message,
    ProcessRecords,
    ProtocolError,
    ShardEnded,
    ShutdownRequested,
    WireRecord,
)

log = logging.getLogger(__name__)

#: One wait for work in flight; between two of them the process looks whether the daemon is still there.
_DRAIN_STEP_SECONDS: Final = 1.0


class UnresolvedError(DropslotError):
    """Records were not resolved before a replacement or the shard's end: only a new start of the lease brings them."""


class StalledError(DropslotError):
    """Nothing moves any more: only a new process helps, and the count of starts finds out whose fault it was."""


class Processor:
    """Answers the daemon's messages; an exception from here must end the process with a status still owed.

    Args:
        channel: the daemon.
        build_engine: makes the engine of a shard id.
        heartbeat_of: makes the heartbeat of a shard id.
        monotonic_seconds: the clock.
        pause_seconds: waits between tries of a checkpoint.
        reload_wanted: True once an operator asked for a replacement.
        stop_wanted: True once the daemon is about to be stopped: what hasn't been started is left to the next worker.
        replace: replaces the process image; doesn't return.
        shutdown_grace_seconds: how long a shutdown waits for work in flight.
        replace_grace_seconds: how long a replacement waits for it; longer than a handler may take.
    """

    def __init__(
        self,
        *,
        channel: Channel,
        build_engine: Callable[[str], Engine],
        heartbeat_of: Callable[[str], Heartbeat],
        monotonic_seconds: Callable[[], float],
        pause_seconds: Callable[[float], None],
        reload_wanted: Callable[[], bool],
        stop_wanted: Callable[[], bool],
        replace: Callable[[Handover], None],
        shutdown_grace_seconds: float,
        replace_grace_seconds: float,
    ) -> None:
        self._channel = channel
        self._build_engine = build_engine
        self._heartbeat_of = heartbeat_of
        self._now = monotonic_seconds
        self._checkpointer = Checkpointer(channel, monotonic_seconds=monotonic_seconds, pause_seconds=pause_seconds)
        self._reload_wanted = reload_wanted
        self._stop_wanted = stop_wanted
        self._replace = replace
        self._shutdown_grace_seconds = shutdown_grace_seconds
        self._replace_grace_seconds = replace_grace_seconds
        self._engine: Engine | None = None
        self._heartbeat: Heartbeat | None = None
        self._tally: Tally | None = None
        self._shard_id = ""
        self._state = "running"
        self._millis_behind_latest: int | None = None

    def run(self, handover: Handover | None = None) -> None:
        """Serve the daemon until it closes its end.

        Args:
            handover: set when this image replaced another one in the middle of a message.

        Raises:
            ProtocolError: also when the daemon went away without a goodbye.
            TableUnreachableError: see there.
            UnresolvedError: see there.
        """
        if handover is not None:
            self._start(handover.shard_id)
            self._checkpointer.position = handover.checkpoint
            self._channel.resume(handover.owed)
            self._channel.status()
        try:
            self._serve()
        except (ProtocolError, TableUnreachableError, UnresolvedError):
            # After anything else one of the requests under way may be to blame: their counts find out which.
            self._stand_down()
            raise
        finally:
            self._end()

    def _serve(self) -> None:
        while (message := self._channel.receive()) is not None:
            self._handle(message)
            self._channel.status()
            self.beat()
        if self._state != "drained" and self._engine is not None:
            raise ProtocolError("the daemon went away without a goodbye")

    def beat(self, *, force: bool = False) -> None:
        """Write the heartbeat if it is due, and log what was counted."""
        if self._heartbeat is not None:
            self._heartbeat.beat(self._vital_signs, force=force)
        if self._tally is not None:
            self._tally.tell_if_due()

    def _handle(self, message: Message) -> None:
        match message:
            case Initialize(shard_id=shard_id):
                self._start(shard_id)
            case ProcessRecords(records=records, millis_behind_latest=behind):
                self._millis_behind_latest = behind
                self._process(records)
            case LeaseLost():
                self._lose_lease()
            case ShardEnded():
                self._end_shard()
            case ShutdownRequested():
                self._shut_down()

    def _start(self, shard_id: str) -> None:
        if self._engine is not None:
            raise ProtocolError("initialize came twice")
        self._shard_id = shard_id
        self._engine = engine = self._build_engine(shard_id)
        self._tally = Tally(lambda: engine.counters, monotonic_seconds=self._now, about={"shard_id": shard_id})
        self._heartbeat = self._heartbeat_of(shard_id)
        self.beat(force=True)
        log.info("shard_started", extra={"shard_id": shard_id})

    def _process(self, records: Sequence[WireRecord]) -> None:
        engine = self._running_engine()
        self._heed_stop(engine)
        # Without the lease the records are another worker's; to answer for them here acknowledges nothing.
        if records and self._checkpointer.lease_held:
            engine.submit([_stream_record(record) for record in records], tick=self._tick)
        self._tick()
        if self._stays and (engine.must_recycle or self._reload_wanted()):
            self._hand_over(engine)

    def _tick(self) -> None:
        """Do what can't wait while a message is open, however long the engine takes for it."""
        self.beat()
        engine = self._running_engine()
        if self._channel.hung_up():
            raise ProtocolError("the daemon went away in the middle of a message")
        if engine.stalled:
            raise StalledError("no record was resolved for longer than any handler may take")
        if engine.unreachable:
            raise TableUnreachableError("the table could not be reached for too long")
        self._heed_stop(engine)
        if self._checkpointer.lease_held:
            self._checkpointer.advance(engine.checkpoint)
            if not self._checkpointer.lease_held:
                engine.abandon()

    def _heed_stop(self, engine: Engine) -> None:
        """Start nothing more once a stop is near: the daemon tells of it only when the open batch has been taken."""
        if self._stop_wanted() and self._state == "running":
            self._state = "stopping"
            engine.abandon()
            self.beat(force=True)
            log.info("shard_stopping", extra={"shard_id": self._shard_id})

    @property
    def _stays(self) -> bool:
        """This process keeps its shard: neither lost nor about to be given up."""
        return self._checkpointer.lease_held and self._state == "running"

    def _drain(self, engine: Engine, limit_seconds: float) -> bool:
        """Wait until nothing is under way; False if the time was too short for it, or the lease went."""
        deadline = self._now() + limit_seconds
        while self._checkpointer.lease_held:
            left_seconds = deadline - self._now()
            if engine.drain(max(0.0, min(_DRAIN_STEP_SECONDS, left_seconds)), tick=self._tick):
                return True
            self._tick()
            if left_seconds <= 0:
                return False
        return False

    def _lose_lease(self) -> None:
        # Also the last message of a graceful shutdown, when all is resolved already.
        self._checkpointer.lease_held = False
        if self._engine is not None:
            self._engine.abandon()
            self._stand_down()
        self._state = "drained"
        log.info("lease_lost", extra={"shard_id": self._shard_id})

    def _end_shard(self) -> None:
        engine = self._running_engine()
        # No limit: the checkpoint claims the whole shard, and the engine limits every request's time.
        self._drain(engine, float("inf"))
        if self._checkpointer.lease_held and not engine.complete:
            # A stop came before all of it was taken: the next worker reads on from the checkpoint, to the end.
            self._checkpointer.persist(engine.checkpoint)
            raise UnresolvedError("the shard ended before all of it was taken")
        self._checkpointer.close_shard()
        self._state = "drained"
        log.info("shard_ended", extra={"shard_id": self._shard_id})

    def _shut_down(self) -> None:
        engine = self._running_engine()
        drained = self._drain(engine, self._shutdown_grace_seconds)
        if not drained:
            self._stand_down()
        self._checkpointer.persist(engine.checkpoint)
        self._state = "drained"
        self.beat(force=True)
        log.info("shard_drained", extra={"shard_id": self._shard_id, "complete": drained})

    def _hand_over(self, engine: Engine) -> None:
        """Replace this process image, here where a message is open: the daemon waits, so nothing is under way to us.

        The next image is given nothing of this batch. So all of it must be resolved and the daemon must hold the
        checkpoint; else the process ends instead, and the lease starts again from its checkpoint.
        """
        if self._channel.unread:
            raise ProtocolError("the daemon sent a message before it had the status of the last one")
        drained = self._drain(engine, self._replace_grace_seconds)
        if not drained and self._checkpointer.lease_held:
            raise UnresolvedError("work in flight was not resolved in time for a replacement")
        self._checkpointer.persist(engine.checkpoint)
        if not self._stays:
            return
        owed = self._channel.open_action
        if owed is None:
            raise ProtocolError("no message is open to hand over")
        log.info("shard_process_replaced", extra={"shard_id": self._shard_id})
        self._close_engine()
        self._replace(Handover(shard_id=self._shard_id, owed=owed, checkpoint=self._checkpointer.position))
        raise ProtocolError("the process could not be replaced")

    def _stand_down(self) -> None:
        """Blame nobody who is still under way: the end came from elsewhere, the daemon, the lease or the table."""
        if self._engine is not None:
            self._engine.abandon()
            self._engine.stand_down()

    def _running_engine(self) -> Engine:
        if self._engine is None:
            raise ProtocolError("a message came before initialize")
        return self._engine

    def _vital_signs(self) -> Mapping[str, Any]:
        counters = dict(self._engine.counters) if self._engine is not None else {}
        return {
            "shard_id": self._shard_id,
            "state": self._state,
            "checkpoint": self._checkpointer.position,
            "millis_behind_latest": self._millis_behind_latest,
            "counters": counters,
        }

    def _end(self) -> None:
        self._close_engine()
        if self._heartbeat is not None and self._state == "drained":
            # A file that stays behind tells the supervisor of a process that died.
            self._heartbeat.remove()

    def _close_engine(self) -> None:
        if self._tally is not None:
            self._tally.tell()
        if self._engine is not None:
            self._engine.abandon()
            self._engine.close()
        self._engine = self._tally = None


def _stream_record(record: WireRecord) -> StreamRecord:
    return StreamRecord(
        sequence_number=record.sequence_number,
        data=record.data if record.data is not None else b"",
        arrived_epoch_seconds=(record.approximate_arrival_timestamp or 0) / 1000,
    )

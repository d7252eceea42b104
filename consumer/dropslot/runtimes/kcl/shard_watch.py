"""Watches shard processes by their heartbeats: the daemon notices a hung one never, and a lost one late."""

import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dropslot.runtimes.kcl.daemon import Daemon
from dropslot.runtimes.kcl.heartbeat import ShardBeat, read_shard_beats

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCensus:
    """How a daemon's shard processes are.

    Args:
        alive: how many run.
        lost: how many died without having been told to.
        busy: how many of those alive still have work that a restart would repeat.
    """

    alive: int
    lost: int
    busy: int


class ShardWatch:
    """Looks at the heartbeats of one state folder.

    Args:
        state_dir: the folder.
        hung_after_seconds: a process whose beat hasn't changed for longer is killed.
        monotonic_seconds: a clock that stands still while the machine is suspended, as the processes do.
    """

    def __init__(self, state_dir: Path, *, hung_after_seconds: float, monotonic_seconds: Callable[[], float]) -> None:
        self._state_dir = state_dir
        self._hung_after_seconds = hung_after_seconds
        self._now = monotonic_seconds
        self._beats: dict[int, tuple[float, float]] = {}

    def look(self, daemon: Daemon) -> ShardCensus:
        """Count the shard processes, and kill those that hang."""
        beats = read_shard_beats(self._state_dir)
        alive = [beat for beat in beats if daemon.owns(beat.pid)]
        self._beats = {beat.pid: self._beats[beat.pid] for beat in alive if beat.pid in self._beats}
        for beat in alive:
            self._kill_if_hung(beat)
        return ShardCensus(
            alive=len(alive),
            # One that lives but isn't this daemon's belongs to a daemon before, and is about to leave.
            lost=sum(not _lives(beat.pid) for beat in beats),
            busy=sum(beat.state != "drained" for beat in alive),
        )

    def order(self, daemon: Daemon, number: signal.Signals) -> None:
        """Send each of the daemon's shard processes one of the signals in `orders`."""
        for beat in read_shard_beats(self._state_dir):
            if daemon.owns(beat.pid):
                _signal(beat.pid, number)

    def _kill_if_hung(self, beat: ShardBeat) -> None:
        # When it beat is the wall clock's word, which may jump: what counts is how long the word has been the same.
        before, since = self._beats.get(beat.pid, (None, 0.0))
        if before != beat.beat_epoch_seconds:
            since = self._now()
            self._beats[beat.pid] = (beat.beat_epoch_seconds, since)
        silent_seconds = self._now() - since
        if silent_seconds > self._hung_after_seconds:
            log.error("shard_process_hung", extra={"shard_id": beat.shard_id, "silent_seconds": round(silent_seconds)})
            _signal(beat.pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return

"""Keeps the daemon running, watches its shard processes, and stops all of it cleanly."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from dropslot.runtimes.kcl.daemon import Daemon
from dropslot.runtimes.kcl.fitness import Fitness
from dropslot.runtimes.kcl.heartbeat import WORKER_FILE, Heartbeat
from dropslot.runtimes.kcl.orders import RELOAD_SIGNAL, STOP_SIGNAL
from dropslot.runtimes.kcl.properties import shutdown_limit_seconds
from dropslot.runtimes.kcl.shard_watch import ShardCensus, ShardWatch
from dropslot.runtimes.kcl.state_folder import forget_shards
from dropslot.settings import Settings

log = logging.getLogger(__name__)

#: State of a worker in its heartbeat while operators want nothing to be run.
PAUSED: Final = "paused"

_LOOK_SECONDS: Final = 0.25
_FIRST_BACKOFF_SECONDS: Final = 0.5
_LONGEST_BACKOFF_SECONDS: Final = 30.0
#: A daemon that ran for this long starts the backoff anew.
_STEADY_SECONDS: Final = 60.0
#: How long shard processes may take to notice that their daemon is gone.
_LEAVE_SECONDS: Final = 3.0
#: For the daemon to write its last lines, and to have let go of the lock that makes it the leader of all workers.
_LAST_WORDS_SECONDS: Final = 1.0
#: Above the time after which a shard process itself gives up (`Settings.stall_limit_seconds`): it is then beyond that.
_HUNG_MARGIN_SECONDS: Final = 30.0


class Supervisor:
    """Runs one daemon after the other until it is told to stop.

    Args:
        settings: `state_dir` must be set.
        command: starts the daemon.
        environment: of the daemon.
        prepare: called before each start.
        trouble: what is out of reach, "" when nothing is; must not take long.
        paused: whether operators want nothing to be run; the same.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        command: Sequence[str],
        environment: Mapping[str, str],
        prepare: Callable[[], None],
        trouble: Callable[[], str],
        paused: Callable[[], bool],
    ) -> None:
        self._folder = Path(settings.state_dir)
        self._command = command
        self._environment = environment
        self._prepare = prepare
        self._trouble = trouble
        self._paused = paused
        self._fitness = Fitness(now_epoch_seconds=time.time)
        self._stop_limit_seconds = shutdown_limit_seconds(settings) + _LAST_WORDS_SECONDS
        self._stop = threading.Event()
        self._reload = threading.Event()
        self._heartbeat = Heartbeat(self._folder / WORKER_FILE, now_epoch_seconds=time.time)
        self._watch = ShardWatch(
            self._folder,
            hung_after_seconds=settings.stall_limit_seconds + _HUNG_MARGIN_SECONDS,
            monotonic_seconds=time.monotonic,
        )
        self._state = "starting"
        self._daemon: Daemon | None = None
        self._halted = False

    def run(self) -> int:
        """Return the exit code once SIGTERM or SIGINT came and everything has stopped; SIGUSR1 reloads the shards."""
        before = {
            number: signal.signal(number, handler)
            for number, handler in (
                (signal.SIGTERM, self._on_stop),
                (signal.SIGINT, self._on_stop),
                # The terminal was closed. So a reload has another signal here than in a shard process.
                (signal.SIGHUP, self._on_stop),
                (signal.SIGUSR1, self._on_reload),
            )
        }
        try:
            return self._run()
        finally:
            self._heartbeat.remove()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run(self) -> int:
        backoff = _FIRST_BACKOFF_SECONDS
        while True:
            forget_shards(self._folder)
            self._sit_out_pause()
            if self._stop.is_set():
                return 0
            self._prepare()
            if self._stop.is_set():
                return 0
            self._beat("starting", force=True)
            started = time.monotonic()
            self._halted = False
            self._daemon = Daemon(self._command, self._environment)
            log.info("daemon_started", extra={"daemon_pid": self._daemon.pid})
            try:
                clean = self._attend(self._daemon)
            finally:
                self._daemon.clear(_LEAVE_SECONDS)
            if self._stop.is_set():
                log.info("consumer_stopped", extra={"clean": clean})
                return 0 if clean else 1
            if self._halted:
                log.info("consumer_paused", extra={"clean": clean})
                self._daemon = None
                continue
            if time.monotonic() - started >= _STEADY_SECONDS:
                backoff = _FIRST_BACKOFF_SECONDS
            code = self._daemon.exit_code()
            log.error("daemon_ended", extra={"exit_code": code, "restart_in_seconds": backoff})
            self._daemon = None
            self._fitness.troubled(f"the daemon ended by itself, with exit code {code}")
            self._beat("restarting", force=True)
            self._stop.wait(backoff)
            backoff = min(backoff * 2, _LONGEST_BACKOFF_SECONDS)

    def _attend(self, daemon: Daemon) -> bool:
        """Watch a daemon to its end; True if it stopped because it was asked to, and nothing was cut short."""
        started = time.monotonic()
        while not self._stop.is_set() and not self._paused():
            if daemon.exit_code() is not None:
                return False
            census = self._watch.look(daemon)
            self._note_fitness(census, time.monotonic() - started)
            self._beat("running" if census.alive else "starting")
            self._reap(daemon)
            if census.lost:
                return self._give_up(daemon)
            if self._reload.is_set():
                self._reload.clear()
                self._watch.order(daemon, RELOAD_SIGNAL)
            self._stop.wait(_LOOK_SECONDS)
        return self._stop_daemon(daemon)

    def _sit_out_pause(self) -> None:
        """Wait while operators want nothing to be run: without a daemon, which would hold records for all that time."""
        while self._paused() and not self._stop.is_set():
            trouble = self._trouble()
            if trouble:
                self._fitness.troubled(trouble)
            else:
                self._fitness.works()
            self._beat(PAUSED)
            self._stop.wait(_LOOK_SECONDS)

    def _note_fitness(self, census: ShardCensus, up_seconds: float) -> None:
        trouble = self._trouble()
        if not trouble and not census.alive and up_seconds < _STEADY_SECONDS:
            # It may have been given no shard. Or it may be about to fail.
            trouble = f"no shard yet, and the daemon is not up for {_STEADY_SECONDS:.0f} s"
        if trouble:
            self._fitness.troubled(trouble)
        else:
            self._fitness.works()

    def _stop_daemon(self, daemon: Daemon) -> bool:
        self._halted = True
        self._beat("stopping", force=True)
        had_shards = self._watch.look(daemon).alive > 0
        # The daemon tells its shard processes only when they have taken their open batch, which may be a large one.
        self._watch.order(daemon, STOP_SIGNAL)
        daemon.terminate()
        # After the last shard process has said goodbye KCL waits ten seconds for something that doesn't come: it has
        # let go of its lock already, and its leases it doesn't let go of, they expire either way.
        ended, census = self._wait(
            daemon, self._stop_limit_seconds, until=lambda census: had_shards and not census.alive
        )
        if not ended:
            ended, _ = self._wait(daemon, _LAST_WORDS_SECONDS, until=lambda _: False)
        if not ended:
            daemon.kill()
        return census.alive == 0 and census.lost == 0

    def _give_up(self, daemon: Daemon) -> bool:
        """End a daemon that lost a shard process.

        It ends by itself, but only after the whole shutdown limit. Meanwhile it has the other shards checkpoint: when
        the last of them did, there is nothing left to wait for.
        """
        log.error("shard_process_lost")
        self._watch.order(daemon, STOP_SIGNAL)
        self._wait(daemon, _LAST_WORDS_SECONDS, until=lambda _: False)
        self._wait(daemon, self._stop_limit_seconds, until=lambda census: not census.busy)
        daemon.kill()
        return False

    def _wait(
        self, daemon: Daemon, limit_seconds: float, *, until: Callable[[ShardCensus], bool]
    ) -> tuple[bool, ShardCensus]:
        """Wait for the daemon's end, or for something else; says whether it ended, and how its shards were."""
        deadline = time.monotonic() + limit_seconds
        while True:
            ended = daemon.exit_code() is not None
            census = self._watch.look(daemon)
            self._beat(self._state)
            self._reap(daemon)
            if ended or until(census) or time.monotonic() >= deadline:
                return ended, census
            # Not on the stop event: it may be set already.
            time.sleep(_LOOK_SECONDS)

    def _beat(self, state: str, *, force: bool = False) -> None:
        force = force or state != self._state
        self._state = state
        self._heartbeat.beat(self._vital_signs, force=force)

    def _vital_signs(self) -> Mapping[str, Any]:
        daemon_pid = None if self._daemon is None else self._daemon.pid
        return {"state": self._state, "daemon_pid": daemon_pid, **self._fitness.signs()}

    def _reap(self, daemon: Daemon) -> None:
        """Reap what was left to us, if we are the container's first process."""
        while os.getpid() == 1:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid == daemon.pid:
                return
            os.waitpid(found.si_pid, 0)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload.set()

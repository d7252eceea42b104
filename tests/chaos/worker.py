"""A second worker of the same application: joins, and dies without a word."""

import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from dropslot.local import consumer_state
from dropslot.local.guard import Guard
from dropslot.local.options import CONSUME
from dropslot.local.process import Process, ProcessSpec
from tests.chaos.patience import eventually


class Worker:
    """`dropslot consume` beside the stack's own, with a state folder of its own.

    Args:
        folder: takes its state and its log.
        environment: the whole environment of its processes.
        guard: ends it if the rig can't.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], guard: Guard) -> None:
        self._state = folder / "state"
        self._process = Process.start(
            ProcessSpec(
                name="second worker",
                command=CONSUME,
                environment={**environment, "DROPSLOT_STATE_DIR": str(self._state)},
                log=folder / "log",
            ),
            guard,
        )

    def shards(self) -> set[str]:
        """Return the shards that it has a process for."""
        return consumer_state.shards_up(self._state)

    def daemon_pid(self) -> int | None:
        """Return the process id of its JVM."""
        return consumer_state.process_ids(self._state).get("daemon")

    def join(self, limit_seconds: float) -> float:
        """Wait until its daemon runs; return the seconds that took."""
        return eventually(
            lambda: self.daemon_pid() is not None, limit_seconds, lambda: "the second worker didn't start"
        )

    def die(self) -> None:
        """Kill it with all that it has started, as the loss of its host would."""
        daemon = self.daemon_pid()
        self._process.kill()
        if daemon is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(daemon, signal.SIGKILL)

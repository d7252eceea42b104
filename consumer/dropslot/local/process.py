"""One process of the stack: own session, log file, guarded, stopped without leftovers."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from dropslot.local import launch
from dropslot.local.errors import ProcessDiedError
from dropslot.local.guard import Guard

_TAIL_LINES: Final = 15
_TAIL_BYTES: Final = 64 * 1024
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """How to start a process; the same spec starts it again.

    Args:
        name: what messages and the log file call it.
        command: program and arguments.
        environment: the whole environment of the process.
        log: file that takes its output; it is appended to.
        grace_seconds: how long it gets between SIGTERM and SIGKILL.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    grace_seconds: float = 5.0


class Process:
    """A running process in a session of its own, so that a terminal's Ctrl-C reaches only its owner."""

    def __init__(self, spec: ProcessSpec, popen: "subprocess.Popen[bytes]", guard: Guard) -> None:
        self.spec = spec
        self._popen = popen
        self._guard = guard

    @classmethod
    def start(cls, spec: ProcessSpec, guard: Guard) -> Self:
        """Start a process. Returns at once; the process may still fail to come up."""
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        with spec.log.open("ab") as log:
            popen = subprocess.Popen(  # noqa: S603 - the commands are ours
                [sys.executable, "-I", "-S", str(Path(launch.__file__).resolve()), str(guard.fd), *spec.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(spec.environment),
                pass_fds=(guard.fd,),
                start_new_session=True,
            )
        return cls(spec, popen, guard)

    @property
    def pid(self) -> int:
        """Process id, also the id of its process group."""
        return self._popen.pid

    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        return self._popen.poll()

    def check(self) -> None:
        """Do nothing while the process runs.

        Raises:
            ProcessDiedError: it has ended.
        """
        code = self.exit_code()
        if code is not None:
            raise ProcessDiedError(name=self.spec.name, exit_code=code, tail=log_tail(self.spec.log), log=self.spec.log)

    def signal_stop(self) -> None:
        """Ask the process to end, without waiting: so several can end at the same time."""
        if self._popen.poll() is None:
            self._popen.terminate()

    def stop(self) -> None:
        """End the process: SIGTERM to it alone, after the grace SIGKILL to its whole group."""
        self.signal_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=self.spec.grace_seconds)
        self.kill()

    def kill(self) -> None:
        """Kill the process and its group at once, and reap it."""
        # Also when it has ended by itself: a child of it may live on in the group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        self._guard.strike_out(self.pid)


def log_tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """Return the last lines of a log file, "" if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(deque(text.splitlines(), maxlen=lines))


def end_strays(pids: Iterable[int], grace_seconds: float = 2.0) -> None:
    """End processes that are not our children, those that still run: SIGTERM, and SIGKILL after the grace."""
    left = {pid for pid in pids if is_running(pid)}
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        deadline = time.monotonic() + grace_seconds
        while left and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            left = {pid for pid in left if is_running(pid)}


def is_running(pid: int) -> bool:
    """Tell whether a process runs. On Linux one that has ended but that nobody has reaped doesn't count."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True  # no /proc here
    except (ProcessLookupError, PermissionError):
        return False
    # The name, in parentheses, may hold anything; the state follows it.
    return not stat.rpartition(")")[2].lstrip().startswith("Z")

"""The JVM with KCL's MultiLangDaemon in it, and the shard processes it starts: one process group."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from dropslot.runtimes.kcl.jars import Jars, Java

_MAIN_CLASS: Final = "software.amazon.kinesis.multilang.MultiLangDaemon"
_LOGBACK: Final = Path(__file__).with_name("logback.xml")
_LAUNCH: Final = Path(__file__).with_name("launch.py")
#: Without a limit the JVM was seen at 2.3 GB; this much carried four shards at their read limit.
_HEAP_MB: Final = 256
_POLL_SECONDS: Final = 0.05

#: The daemon's words for those of `Settings.log_level`. Its INFO costs a tenth of its CPU and names every message.
_LEVELS: Final[Mapping[str, str]] = {"DEBUG": "INFO", "INFO": "WARN", "WARNING": "WARN", "ERROR": "ERROR"}


def daemon_command(java: Java, jars: Jars, properties: Path, *, log_level: str) -> list[str]:
    """Return the command that runs the daemon: amazon_kclpy's own helper leaves no room for options of the JVM."""
    return [
        str(java.executable),
        f"-Xmx{_HEAP_MB}m",
        # A JVM that can't allocate keeps its leases and reads nothing: better gone, and started again.
        "-XX:+ExitOnOutOfMemoryError",
        # Half the CPU of a start, and no more of it later: docs/decisions/0002-kcl-settings.md.
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Dfile.encoding=UTF-8",
        f"-Ddropslot.kcl.level={_LEVELS[log_level]}",
        "-cp",
        jars.classpath,
        _MAIN_CLASS,
        "--properties-file",
        str(properties),
        "--log-configuration",
        str(_LOGBACK),
    ]


class Daemon:
    """A running daemon.

    It leads a session of its own, so that a Ctrl-C in the terminal reaches neither it nor its shard processes: the
    daemon must be the only one that is told to stop, or the shards' last checkpoints are lost.

    Args:
        command: see `daemon_command`.
        environment: of the daemon and its shard processes.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Process id of the JVM, and of its group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ask the JVM alone to stop."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill the JVM alone: its shard processes see the end of their input and leave."""
        self._process.kill()

    def owns(self, pid: int) -> bool:
        """Say whether a process id still belongs to one of this daemon's processes."""
        try:
            return os.getpgid(pid) == self.pid
        except ProcessLookupError:
            return False

    def clear(self, patience_seconds: float) -> None:
        """Wait for the JVM and all its shard processes to be gone, and kill what is left."""
        deadline = time.monotonic() + patience_seconds
        while self._group_lives():
            if time.monotonic() >= deadline:
                self._signal_group(signal.SIGKILL)
                break
            time.sleep(_POLL_SECONDS)
        self._process.wait()

    def _group_lives(self) -> bool:
        self._process.poll()
        return self._signal_group(0)

    def _signal_group(self, number: int) -> bool:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            # PermissionError is how macOS speaks of a group of zombies.
            return False
        return True

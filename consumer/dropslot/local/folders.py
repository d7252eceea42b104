"""The folders of one stack, and the lock that keeps a second stack out of them."""

import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from dropslot.local.errors import LocalStackError

#: Folders of heartbeats within the state.
CONSUMER_STATE: Final = "consumer"
NOTIFY_STATE: Final = "notify"

_LOCK: Final = "stack.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where a stack keeps things.

    Args:
        data: parent of the servers' data folders; None keeps their data in memory.
        state: positions and heartbeats.
        logs: one log file a process.
        lock: held open while the stack lives.
        temporary: whether `state` goes when the stack ends.
    """

    data: Path | None
    state: Path
    logs: Path
    lock: IO[bytes]
    temporary: bool

    @classmethod
    def open(cls, persist: Path | None, log_dir: Path | None, current: Path) -> Self:
        """Make the folders, clear what an earlier stack left in them and take the lock.

        Args:
            persist: folder that keeps everything between runs, or None.
            log_dir: folder of the log files, or None for the default.
            current: the current folder.

        Raises:
            LocalStackError: another stack uses `persist`.
        """
        if persist is not None:
            persist = persist.resolve()
            persist.mkdir(parents=True, exist_ok=True)
            lock = _lock(persist)
            if lock is None:
                raise LocalStackError(f"another stack runs on {persist}: stop it, or take another --persist folder")
            return cls(
                data=persist,
                state=_fresh_state(persist / "state"),
                logs=_fresh_logs(log_dir if log_dir is not None else persist / "logs"),
                lock=lock,
                temporary=False,
            )
        logs = (log_dir if log_dir is not None else current / ".dropslot" / "logs").resolve()
        logs.mkdir(parents=True, exist_ok=True)
        lock = _lock(logs)
        if lock is None:
            # A second stack in the same folder is fine as long as they don't write the same files.
            logs = logs.with_name(f"{logs.name}-{os.getpid()}")
            logs.mkdir(parents=True, exist_ok=True)
            lock = (logs / _LOCK).open("ab")
        state = _fresh_state(Path(tempfile.mkdtemp(prefix="dropslot-")))
        return cls(data=None, state=state, logs=_fresh_logs(logs), lock=lock, temporary=True)

    @property
    def failures(self) -> Path:
        """What the Lambda consumer has given up; kept until somebody removes it."""
        return self.logs / "failures"

    def close(self) -> None:
        """Let the lock go, and remove the state if nobody wants it again."""
        self.lock.close()
        if self.temporary:
            shutil.rmtree(self.state, ignore_errors=True)


def _lock(folder: Path) -> IO[bytes] | None:
    lock = (folder / _LOCK).open("ab")
    try:
        # The kernel lets go of it when the process ends in any way, so it never goes stale.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _fresh_state(state: Path) -> Path:
    for name in (CONSUMER_STATE, NOTIFY_STATE):
        beats = state / name
        beats.mkdir(parents=True, exist_ok=True)
        # Heartbeats of the last run would look like a consumer that is up.
        for old in beats.glob("*.json"):
            old.unlink()
    return state


def _fresh_logs(logs: Path) -> Path:
    logs.mkdir(parents=True, exist_ok=True)
    for old in logs.glob("*.log"):
        old.unlink()
    return logs

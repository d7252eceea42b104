"""A small process that outlives the stack's owner and then ends whatever the owner left behind.

It reads a pipe that only the owner and starting children hold. When the owner goes, even by SIGKILL, the pipe ends and
the guard ends every process group that was entered and not struck out. Run as a script, standard library only.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

#: How long processes get between SIGTERM and SIGKILL once their owner has died.
GRACE_SECONDS: Final = 5.0


class Guard:
    """The owner's side: starts the guard process and strikes out processes that have ended.

    Use as a context manager; leaving it ends the guard, which ends what is still entered.
    """

    def __init__(self) -> None:
        read_fd, self._write_fd = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own file
                [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
                stdin=read_fd,
                # Own session: Ctrl-C in the terminal must not end the guard before it has done its work.
                start_new_session=True,
            )
        finally:
            os.close(read_fd)

    @property
    def fd(self) -> int:
        """The pipe's writing end, to be passed on to `launch`."""
        return self._write_fd

    @property
    def pid(self) -> int:
        """Process id of the guard."""
        return self._process.pid

    def strike_out(self, pid: int) -> None:
        """Forget a process that was reaped: its id may soon belong to someone else."""
        with contextlib.suppress(OSError):
            os.write(self._write_fd, b"-%d\n" % pid)

    def close(self) -> None:
        """End the guard and wait for it."""
        if self._write_fd >= 0:
            os.close(self._write_fd)
            self._write_fd = -1
            self._process.wait(timeout=GRACE_SECONDS * 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def main() -> None:
    """Follow the entries on stdin until the owner is gone, then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        pid = int(line[1:])
        if line.startswith(b"+"):
            groups.add(pid)
        else:
            groups.discard(pid)
    end_groups(groups)


def end_groups(groups: set[int], grace_seconds: float = GRACE_SECONDS) -> None:
    """Ask process groups to end; after the grace kill what hasn't, with descendants that left the groups."""
    below = descendants(groups)
    deadline = time.monotonic() + grace_seconds
    left = {group for group in groups if _signal(group, signal.SIGTERM)}
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if _signal(group, 0)}
    for group in left:
        _signal(group, signal.SIGKILL)
    # The servers are gone: a daemon that still tries to end in order would only wait for them.
    for pid in below:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def descendants(pids: set[int]) -> set[int]:
    """Return the processes below some processes, as of now."""
    try:
        listing = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False)  # noqa: S607
    except OSError:
        return set()  # a system without ps: the groups must do
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in listing.stdout.splitlines())}
    found = set(pids)
    grown = True
    while grown:
        children = {pid for pid, parent in parents.items() if parent in found} - found
        found |= children
        grown = bool(children)
    return found - pids


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # macOS answers "not permitted" for a group of zombies.
        return False
    return True


if __name__ == "__main__":
    main()

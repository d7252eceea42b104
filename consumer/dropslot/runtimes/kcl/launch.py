"""Starts a program that dies with its parent, even with one that was killed (Linux only)."""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main(arguments: list[str]) -> None:
    """Replace this process by the program.

    Done by a process in between rather than by Popen's preexec_fn, which may deadlock where threads run.

    Args:
        arguments: the parent's process id, then the program and its arguments.
    """
    parent, program = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            # It died before the request was heard.
            return
    os.execv(program[0], program)  # noqa: S606 - no shell wanted


if __name__ == "__main__":
    main(sys.argv[1:])

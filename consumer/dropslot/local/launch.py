"""Run as a script: enters this process with the guard, then becomes the command it was given.

The child enters itself, so there is no moment at which it runs and the guard doesn't know it: the guard's pipe stays
open until the command has replaced this program. Run with `-I -S`, it costs about 15 ms and needs only the standard
library. A `preexec_fn` was rejected because it can deadlock in a parent with threads, and PR_SET_PDEATHSIG because it
fires when the thread that started the child ends, and is Linux only.
"""

import os
import sys


def main() -> None:
    """Enter the own process id with the guard and replace this program by the command line's."""
    guard_fd = int(sys.argv[1])
    os.write(guard_fd, b"+%d\n" % os.getpid())
    os.close(guard_fd)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell: the command is a list


if __name__ == "__main__":
    main()

"""A crowd at once: `python -m tests.crowd --clients 1000`."""

import argparse
import asyncio
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.crowd.crowd import run_crowd, running_stack

#: Besides one for each client.
_MORE_FILES: Final = 500
#: Of all clients: a push may be lost, and is asked for then.
_LEAST_PUSHED: Final = 0.98


def main(arguments: Sequence[str] | None = None) -> int:
    """Let a crowd loose on a stack of its own and print what happened; 1 if anybody missed anything."""
    parser = argparse.ArgumentParser(prog="python -m tests.crowd", description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="takes the logs; default: a temporary one")
    options = parser.parse_args(arguments)
    folder = options.folder if options.folder is not None else Path(tempfile.mkdtemp(prefix="dropslot-crowd-"))
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"logs in {folder}")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, options.clients + _MORE_FILES), most))
    with running_stack(folder) as stack:
        report = asyncio.run(run_crowd(stack, options.clients))
    console.print(str(report))
    whole = report.connected == report.watched == report.clients and not report.lost
    # Who asks is told as well, but that is no push.
    return 0 if whole and report.pushed >= _LEAST_PUSHED * report.clients else 1


if __name__ == "__main__":
    sys.exit(main())

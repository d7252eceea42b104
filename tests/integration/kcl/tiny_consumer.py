"""`dropslot consume` with the tiny engine and a sweep that does nothing."""

import os
import sys
import threading
from pathlib import Path

from dropslot.adapters import logs
from dropslot.runtimes.kcl.consume import supervise
from dropslot.settings import Settings

SHARD_PROGRAM = Path(__file__).parents[2] / "unit" / "runtimes" / "kcl" / "programs" / "our_shard.py"


class NoSweep:
    """Redrives nothing."""

    def run(self, stop: threading.Event) -> None:
        """Wait for the end."""
        stop.wait()


if __name__ == "__main__":
    logs.configure("INFO", sys.stderr)
    sys.exit(
        supervise(
            Settings.from_env(os.environ),
            os.environ,
            build_sweep=lambda *_: NoSweep(),
            shard_command=(sys.executable, str(SHARD_PROGRAM)),
        )
    )

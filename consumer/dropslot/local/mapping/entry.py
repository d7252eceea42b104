"""What the processes that run functions share: where functions find their modules, and where their log lines go."""

import os
import sys
from pathlib import Path


def python_path(functions: Path) -> str:
    """Return where functions find modules: their own folder, then this one, as in what is deployed."""
    inherited = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join((str(functions.resolve()), str(Path.cwd()), *filter(None, inherited.split(os.pathsep))))


def print_line(line: bytes) -> None:
    """Write a function's line to the log of this process."""
    sys.stderr.buffer.write(line + b"\n")
    sys.stderr.buffer.flush()

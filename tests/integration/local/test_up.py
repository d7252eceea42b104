"""`dropslot up` as a process: what it says, how it ends, and that it reloads."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from dropslot.local.process import is_running

pytestmark = pytest.mark.usefixtures("needs_parts")

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in_consumer.py")))
SCRIPT = """
import sys
from pathlib import Path
from rich.console import Console
from dropslot.local.options import StackOptions
from dropslot.local.up import run_up
options = StackOptions(consumer_command=tuple(sys.argv[1:]), ready_file=Path("ready.json"), reload=True)
sys.exit(run_up(options, Console(force_terminal=False)))
"""


@contextmanager
def _up(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / "output").open("wb") as output:
        command = [sys.executable, "-c", SCRIPT, *STAND_IN]
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _pids(folder: Path) -> dict[str, int]:
    """Return the stack's processes as its ready file names them."""
    ready: dict[str, dict[str, int]] = msgspec.json.decode((folder / "ready.json").read_bytes())
    return ready["pids"]


def test_it_tells_how_to_use_it_and_ends_at_ctrl_c(work_dir: Path) -> None:
    """Given a stack that is up, SIGINT ends it with 0 and all its processes; it has said URL, curl line and logs."""
    with _up(work_dir) as process:
        _eventually((work_dir / "ready.json").exists, 60)
        pids = _pids(work_dir)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0

    output = (work_dir / "output").read_text()
    assert re.search(r"The API is at http://127\.0\.0\.1:\d+", output)
    assert re.search(r"curl -i http://127\.0\.0\.1:\d+/requests ", output)
    assert str(work_dir / ".dropslot" / "logs") in output
    assert not (work_dir / "ready.json").exists()
    assert {name for name, pid in pids.items() if is_running(pid)} == set()


@pytest.mark.skipif(shutil.which("pgrep") is None, reason="pgrep (Debian: procps) isn't installed")
def test_ctrl_c_while_it_starts_ends_it_too(work_dir: Path) -> None:
    """Given a stack that is just starting, SIGINT ends it with 0 and leaves no server."""
    with _up(work_dir) as process:
        logs = work_dir / ".dropslot" / "logs"
        _eventually((logs / "gateway.log").exists, 30)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0

    assert "Traceback" not in (work_dir / "output").read_text()
    assert subprocess.run(["pgrep", "-f", str(work_dir)], capture_output=True, check=False).stdout == b""


def test_a_death_ends_it_with_1(work_dir: Path) -> None:
    """Given a stack that is up, when a process dies, it says which and where its log is, and ends with 1."""
    with _up(work_dir) as process:
        _eventually((work_dir / "ready.json").exists, 60)
        pids = _pids(work_dir)
        os.kill(pids["dynamodb"], signal.SIGKILL)
        assert process.wait(30) == 1

    assert "dynamodb was ended by signal 9; its log is " in (work_dir / "output").read_text()
    assert {name for name, pid in pids.items() if is_running(pid)} == set()


def test_a_change_beside_the_handler_reaches_the_shard_processes(work_dir: Path) -> None:
    """Given --reload, when the handler's file changes, the consumer is told, and nothing else restarts.

    A handler that can't be loaded is named, and the old one goes on.
    """
    handler = work_dir / "app" / "handler.py"
    handler.parent.mkdir()
    handler.write_text("def handle(request): pass\n")
    with _up(work_dir) as process:
        _eventually((work_dir / "ready.json").exists, 60)
        pids = _pids(work_dir)

        def told() -> bool:
            return "told to start anew" in (work_dir / ".dropslot/logs/consumer.log").read_text()

        def named() -> bool:
            # Written until it is seen: nothing says when the watcher has begun to watch.
            handler.write_text(f"broken = {time.monotonic()}\n")
            return "has no function 'handle'" in (work_dir / "output").read_text()

        _eventually(named, 20)
        assert not told()
        handler.write_text("def handle(request): return {}\n")
        _eventually(told, 20)
        assert {name for name, pid in pids.items() if not is_running(pid)} == set()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0

    assert "the handler changed: its processes start anew" in (work_dir / "output").read_text()


def _eventually(condition: Callable[[], bool], timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(0.1)

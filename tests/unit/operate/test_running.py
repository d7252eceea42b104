"""The file by which a running stack is found."""

import subprocess
import sys
from pathlib import Path

from dropslot.operate.running import FILE, RunningStack, announced, find_running


def stack(pid: int = 1) -> RunningStack:
    """Return a stack."""
    return RunningStack(
        pid=pid,
        dynamodb_endpoint="http://127.0.0.1:1",
        kinesis_endpoint="http://127.0.0.1:2",
        region="us-east-1",
        table="requests",
        stream="requests",
        application="dropslot",
        consumer="kcl",
        positions=None,
    )


def test_a_stack_is_found_while_it_runs(tmp_path: Path) -> None:
    """Given a stack that is up, it is found in its folder; later, and elsewhere, it isn't."""
    assert find_running(tmp_path) is None
    with announced(stack(), tmp_path):
        assert find_running(tmp_path) == stack()
        assert find_running(tmp_path / "elsewhere") is None
    assert find_running(tmp_path) is None
    assert not (tmp_path / FILE).exists()


def test_the_later_of_two_is_found_and_outlives_the_first(tmp_path: Path) -> None:
    """Given two stacks in one folder, the end of the first doesn't take the second's file."""
    first = announced(stack(1), tmp_path)
    first.__enter__()
    with announced(stack(2), tmp_path):
        first.__exit__(None, None, None)
        assert find_running(tmp_path) == stack(2)
    assert find_running(tmp_path) is None


def test_a_killed_stack_is_not_found(tmp_path: Path) -> None:
    """Given a stack whose process was killed, its file is there and counts for nothing."""
    program = (
        "import sys, msgspec\nfrom pathlib import Path\nfrom dropslot.operate.running import *\n"
        "stack = msgspec.json.decode(sys.argv[2], type=RunningStack)\n"
        "with announced(stack, Path(sys.argv[1])):\n    print('up', flush=True)\n    sys.stdin.read()\n"
    )
    import msgspec

    command = [sys.executable, "-c", program, str(tmp_path), msgspec.json.encode(stack()).decode()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert find_running(tmp_path) == stack()
        process.kill()
    assert (tmp_path / FILE).exists()
    assert find_running(tmp_path) is None


def test_a_file_of_somebody_else_is_no_stack(tmp_path: Path) -> None:
    """Given another file of that name, nothing is found."""
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text("{}")
    assert find_running(tmp_path) is None

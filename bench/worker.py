"""A process that runs what it is asked to, line by line, and tells what each line took."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.figures import Figure


class Worker:
    """A measured process, under `bench_flow.serve` or alike.

    Args:
        process: the process.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def ask(self, named: Sequence[str], *, at_once: bool, divide_by: int) -> Figure:
        """Have it run some work.

        Args:
            named: what names the work, as this worker has it.
            at_once: not one after the other.
            divide_by: how many requests that are.

        Returns:
            The figure of one request, in microseconds.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"named": named, "at_once": at_once}).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a process failed; its last words stand above")
        cpu, wall = map(float, line.split())
        return Figure(cpu=cpu / divide_by * 1e6, wall=wall / divide_by * 1e6)


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Iterator[Worker]:
    """Run a worker for a `with` block; it ends by the end of its stdin.

    Args:
        command: its command line.
        environment: its environment.
        folder: where it runs.
    """
    with subprocess.Popen(  # noqa: S603 - an interpreter of ours
        command, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Worker(process)
        assert process.stdin is not None
        process.stdin.close()

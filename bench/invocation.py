"""One invocation with 1,000 records, warm: the Lambda path beside Powertools, with and without its idempotency.

Run `python -m bench.invocation`; bench/README.md says what is counted.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track

from bench.backend import Backend, lambda_event, running_backend
from bench.figures import Figure, print_figures
from bench.packages import BOTO3, DROPSLOT, POWERTOOLS, make_asset
from dropslot.local.clients import REGION, local_environment

RECORDS: Final = 1_000
ROUNDS: Final = 5

POWERTOOLS_ALONE: Final = "Powertools' batch processor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to handle a batch.

    Args:
        module: of the function.
        modules: what it finds.
        age_seconds: how long ago the stream took the records.
    """

    module: str
    modules: tuple[str, ...]
    age_seconds: float = 0.0


WAYS: Final = {
    POWERTOOLS_ALONE: Way(
        module="bench_powertools", modules=(*BOTO3, *POWERTOOLS, "bench_powertools", "bench_outcome")
    ),
    "- with idempotency": Way(
        module="bench_idempotent", modules=(*BOTO3, *POWERTOOLS, "bench_idempotent", "bench_outcome")
    ),
    "dropslot_stream.handler": Way(module="dropslot_stream", modules=DROPSLOT),
    # Each is read first, since it may have run before, and as many starts are counted as may have been under way.
    "- records of an hour ago": Way(module="dropslot_stream", modules=DROPSLOT, age_seconds=3600.0),
}


@contextmanager
def running(way: Way, asset: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process that calls a function for each event, for a `with` block."""
    process = subprocess.Popen(  # noqa: S603 - this very interpreter
        [sys.executable, "-S", "-c", "import bench_warm", way.module],
        env=environment | {"PYTHONPATH": str(asset)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        yield process


def invoke(process: "subprocess.Popen[bytes]", event: bytes) -> Figure:
    """Call a function; return its figure, in microseconds per record."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(event + b"\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit("a process failed; its last words stand above")
    cpu, wall = map(float, line.split())
    return Figure(cpu=cpu / RECORDS * 1e6, wall=wall / RECORDS * 1e6)


def measure(backend: Backend, work: Path, console: Console) -> dict[str, list[Figure]]:
    """Measure all ways in turns."""
    figures: dict[str, list[Figure]] = {name: [] for name in WAYS}
    environment = local_environment(
        os.environ, region=REGION, dynamodb_endpoint=backend.endpoint, kinesis_endpoint="http://127.0.0.1:9"
    ) | {"AWS_LAMBDA_FUNCTION_NAME": "bench", "DROPSLOT_HANDLER": "bench_handler:handle", "DROPSLOT_LOG_LEVEL": "ERROR"}
    with ExitStack() as running_ways:
        processes = {}
        for number, (name, way) in enumerate(WAYS.items()):
            asset = make_asset(work / str(number), ("bench_warm", *way.modules))
            processes[name] = running_ways.enter_context(running(way, asset, environment))
        for round_number in track(range(ROUNDS + 1), console=console, transient=True):
            for number, (name, way) in enumerate(WAYS.items()):
                accepted = backend.accept(f"{round_number}-{number}", RECORDS)
                event = lambda_event(accepted, arrived_epoch_seconds=time.time() - way.age_seconds)
                figure = invoke(processes[name], event)
                unwritten = backend.unwritten(accepted)
                assert not unwritten, f"{name}: {unwritten} without an outcome"
                if round_number > 0:  # the first warms up server and function
                    figures[name].append(figure)
        for process in processes.values():
            assert process.stdin is not None
            process.stdin.close()
    return figures


def main() -> None:
    """Measure and print."""
    console = Console()
    with tempfile.TemporaryDirectory() as work, running_backend() as backend:
        create_idempotency_table(backend)
        figures = measure(backend, Path(work), console)
    title = f"one invocation with {RECORDS:,} records, warm, {ROUNDS} rounds in turns, medians per record"
    print_figures(console, title, "us", figures, base=POWERTOOLS_ALONE)


def create_idempotency_table(backend: Backend) -> None:
    """Create the table that Powertools keeps what it has seen in."""
    backend.client.create_table(
        TableName="idempotency",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


if __name__ == "__main__":
    main()

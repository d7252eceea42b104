"""From the start of a process to its first confirmed outcome: the Lambda path beside boto3 and Powertools.

Run `python -m bench.cold_path`; bench/README.md says what is counted.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track

from bench.backend import Backend, lambda_event, running_backend
from bench.figures import Figure, print_figures, times_less
from bench.packages import BOTO3, DROPSLOT, POWERTOOLS, make_asset
from dropslot.local.clients import REGION, local_environment

ROUNDS: Final = 15

BY_HAND: Final = "boto3.client and update_item"
OURS: Final = "dropslot_stream.handler"
#: So many times less CPU than by hand is what docs/lambda.md says of ours.
LEAST: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to handle a record.

    Args:
        module: of the function.
        modules: what it finds.
        variables: of the environment, beside the usual.
    """

    module: str
    modules: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()


WAYS: Final = {
    BY_HAND: Way(module="bench_boto3", modules=(*BOTO3, "bench_boto3", "bench_outcome")),
    "Powertools' batch processor": Way(
        module="bench_powertools", modules=(*BOTO3, *POWERTOOLS, "bench_powertools", "bench_outcome")
    ),
    OURS: Way(module="dropslot_stream", modules=DROPSLOT),
    # As anything that only the SDK knows makes it: see runtimes/lambda_/table.py.
    "- by way of boto3": Way(
        module="dropslot_stream", modules=(*DROPSLOT, *BOTO3), variables=(("AWS_USE_FIPS_ENDPOINT", "false"),)
    ),
}


def run(module: str, event: bytes, environment: dict[str, str]) -> Figure:
    """Run one process and take its figure, in milliseconds."""
    started = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - this very interpreter
        [sys.executable, "-S", "-c", "import bench_cold", module, event],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        wall_ms = (time.perf_counter() - started) * 1000
        _, log = process.communicate()
    if not line:
        raise SystemExit(f"a process failed:\n{log.decode()}")
    return Figure(cpu=float(line), wall=wall_ms)


def measure(backend: Backend, assets: Path, console: Console) -> dict[str, list[Figure]]:
    """Measure all ways in turns."""
    figures: dict[str, list[Figure]] = {name: [] for name in WAYS}
    environment = local_environment(
        os.environ, region=REGION, dynamodb_endpoint=backend.endpoint, kinesis_endpoint="http://127.0.0.1:9"
    ) | {"DROPSLOT_HANDLER": "bench_handler:handle"}
    folders = {
        name: make_asset(assets / str(number), ("bench_cold", *way.modules))
        for number, (name, way) in enumerate(WAYS.items())
    }
    for round_number in track(range(ROUNDS + 1), console=console, transient=True):
        for name, way in WAYS.items():
            accepted = backend.accept(f"{round_number}-{way.module}-{len(way.variables)}", 1)
            event = lambda_event(accepted, arrived_epoch_seconds=time.time())
            figure = run(way.module, event, environment | dict(way.variables) | {"PYTHONPATH": str(folders[name])})
            assert not backend.unwritten(accepted), name
            if round_number > 0:  # the first compiles, and fills the caches of the file system
                figures[name].append(figure)
    return figures


def main() -> int:
    """Measure and print. Returns the exit code: 1 if ours takes more than the documents say."""
    console = Console()
    with tempfile.TemporaryDirectory() as assets, running_backend() as backend:
        figures = measure(backend, Path(assets), console)
    title = f"fresh process to first confirmed outcome, {ROUNDS} processes each in turns, medians"
    print_figures(console, title, "ms", figures, base=BY_HAND)
    less = times_less(figures[BY_HAND], figures[OURS]).cpu
    if less < LEAST:
        console.print(f"{OURS} takes {less:.2f} times less CPU than {BY_HAND}, which is below {LEAST:g}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

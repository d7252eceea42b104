"""From the start of a process to its first confirmed outcome: the Lambda path beside plain boto3.

Run `python -m bench.cold_path`. Each way gets fresh processes, in turns within one run, over the same DynamoDB Local:
the Lambda path is the deployed entry point with one record that came before the process, so it reads the item, counts
its start, runs an empty handler and writes `ttl`; boto3 makes a client and writes `ttl` by one conditional update.
Each process finds the packages of `requirements/lambda.txt` and no others, compiled: more would be looked for, and some
of it taken. Spoken in plain HTTP: TLS would come on top of both. CPU is the process's own, user and system, as it
stands after the write; wall is taken outside, from the process's start. Ratios hold across machines, absolute figures
don't.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import track
from rich.table import Table

from dropslot.core import names
from dropslot.local.clients import REGION, dynamodb_client, local_environment
from dropslot.local.servers import running_dynamodb
from dropslot.local.tables import ensure_table

ROOT: Final = Path(__file__).parents[1]
TABLE: Final = "requests"
ROUNDS: Final = 11

#: What the function finds: the modules of `requirements/lambda.txt`, and our own.
MODULES: Final = (
    "boto3",
    "botocore",
    "dateutil",
    "dropslot",
    "dropslot_stream",
    "jmespath",
    "msgspec",
    "s3transfer",
    "six",
    "urllib3",
)

_TOLD: Final = """
import resource, sys
used = resource.getrusage(resource.RUSAGE_SELF)
sys.stdout.write(str((used.ru_utime + used.ru_stime) * 1000) + "\\n")
sys.stdout.flush()
"""

BOTO3: Final = f"""
import sys
import boto3
boto3.client("dynamodb").update_item(
    TableName={TABLE!r},
    Key={{"id": {{"S": sys.argv[1]}}}},
    UpdateExpression="SET #ttl = :ttl",
    ConditionExpression="attribute_exists(#request) AND attribute_not_exists(#ttl)",
    ExpressionAttributeNames={{"#ttl": "ttl", "#request": "request"}},
    ExpressionAttributeValues={{":ttl": {{"N": "2000000000"}}}},
)
{_TOLD}
"""

DROPSLOT: Final = f"""
import json, sys
event = json.loads(sys.argv[2])
from dropslot_stream import handler
class Context:
    def get_remaining_time_in_millis(self):
        return 300_000
assert handler(event, Context()) == {{"batchItemFailures": []}}
{_TOLD}
"""

HANDLER: Final = "def handle(request):\n    request.json()\n"


@dataclass(frozen=True)
class Figure:
    """Milliseconds of one process."""

    cpu_ms: float
    wall_ms: float


def accept(client: Any, number: int) -> tuple[str, str]:
    """Put a request on the table; return its id and the event that brings it."""
    from tests.unit.core.images import data, image, record  # noqa: PLC0415 - the items of the tests
    from tests.unit.runtimes.lambda_.stand import event, lambda_record  # noqa: PLC0415 - their events

    now_ms = time.time_ns() // 1_000_000
    item = image(f"-#orders#{number}", accepted_at=now_ms, due_at=now_ms)
    client.put_item(TableName=TABLE, Item=item)
    payload = data(record(item, table=TABLE, created=now_ms * 1000))
    return item[names.ID]["S"], json.dumps(event(lambda_record(payload, number, now_ms / 1000)))


def make_asset(folder: Path) -> None:
    """Fill a folder with what the processes find."""
    search = [*sys.path, str(ROOT / "lambda")]
    for name in MODULES:
        found = PathFinder.find_spec(name, search)
        assert found is not None, name
        assert found.origin is not None, name
        module = Path(found.origin)
        source = module.parent if module.name == "__init__.py" else module
        (folder / source.name).symlink_to(source)
    (folder / "bench_handler.py").write_text(HANDLER)


def run(program: str, arguments: tuple[str, str], environment: dict[str, str]) -> Figure:
    """Run one process and take its figure."""
    started = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - this very interpreter
        [sys.executable, "-S", "-c", program, *arguments],
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
    return Figure(float(line), wall_ms)


def main() -> None:
    """Measure and print."""
    console = Console()
    ways: dict[str, tuple[str, dict[str, str]]] = {
        "boto3 client + update_item": (BOTO3, {}),
        "dropslot_stream.handler": (DROPSLOT, {}),
        # As anything that only the SDK knows makes it: see runtimes/lambda_/table.py.
        "the same, by way of boto3": (DROPSLOT, {"AWS_USE_FIPS_ENDPOINT": "false"}),
    }
    figures: dict[str, list[Figure]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as name, running_dynamodb(Path(name), environment=os.environ) as endpoint:
        asset = Path(name) / "asset"
        asset.mkdir()
        make_asset(asset)
        environment = local_environment(
            os.environ, region=REGION, dynamodb_endpoint=endpoint, kinesis_endpoint="http://127.0.0.1:9"
        ) | {
            "PYTHONPATH": str(asset),
            "DROPSLOT_HANDLER": "bench_handler:handle",
            "DROPSLOT_TABLE": TABLE,
        }
        client = dynamodb_client(endpoint)
        ensure_table(client, TABLE)
        number = 0
        for round_number in track(range(ROUNDS + 1), console=console, transient=True):
            for way, (program, variables) in ways.items():
                number += 1
                request_id, event = accept(client, number)
                figure = run(program, (request_id, event), environment | variables)
                assert "ttl" in client.get_item(TableName=TABLE, Key={"id": {"S": request_id}})["Item"]
                if round_number > 0:  # the first fills the caches of the file system
                    figures[way].append(figure)
        client.close()
    print_figures(console, figures)


def print_figures(console: Console, figures: dict[str, list[Figure]]) -> None:
    """Print medians, and how many times less each way takes than the first."""
    table = Table(title=f"fresh process to first confirmed outcome, {ROUNDS} processes each in turns, medians")
    table.add_column("way")
    for column in ("CPU ms", "times less", "wall ms", "times less"):
        table.add_column(column, justify="right")
    base = next(iter(figures.values()))
    for way, rounds in figures.items():
        table.add_row(
            way,
            f"{statistics.median(figure.cpu_ms for figure in rounds):.0f}",
            f"{statistics.median(a.cpu_ms / b.cpu_ms for a, b in zip(base, rounds, strict=True)):.2f}",
            f"{statistics.median(figure.wall_ms for figure in rounds):.0f}",
            f"{statistics.median(a.wall_ms / b.wall_ms for a, b in zip(base, rounds, strict=True)):.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()

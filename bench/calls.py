"""What requests cost in calls, with steps and without: counted from those that are made; and how long a step takes."""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.backend import JOURNAL, TABLE, Backend
from bench.functions.bench_flow import STEPS
from bench.packages import BOTO3, DROPSLOT, make_asset

REQUESTS: Final = 200
PLAIN_REQUESTS: Final = 1_000


def count(
    backend: Backend, handler: str, *, requests: int, at_once: bool, environment: Mapping[str, str], work: Path
) -> Any:
    """Return what a shard asks of DynamoDB for some requests: see `functions/bench_calls.py`.

    Args:
        backend: has the tables.
        handler: ``module:function``.
        requests: how many.
        at_once: not one after the other.
        environment: of the process.
        work: a new folder.
    """
    accepted = backend.accept(work.name, requests)
    modules = ("bench_flow", "bench_records", "bench_shard", "bench_timed", "bench_calls")
    asset = make_asset(work, (*BOTO3, *DROPSLOT, *modules))
    asked = {"named": [request.data.decode() for request in accepted], "at_once": at_once}
    process = subprocess.run(
        [sys.executable, "-S", "-m", "bench_calls"],
        env={**environment, "PYTHONPATH": str(asset), "DROPSLOT_HANDLER": handler},
        cwd=asset,
        input=json.dumps(asked).encode() + b"\n",
        stdout=subprocess.PIPE,
        check=True,
    )
    assert not backend.unwritten(accepted), handler
    return json.loads(process.stdout)


def show(console: Console, backend: Backend, *, environment: Mapping[str, str], work: Path) -> None:
    """Check how many calls requests take, with steps and without, and print it, and how long a step takes.

    Args:
        console: prints.
        backend: has the tables.
        environment: of the processes.
        work: an empty folder.
    """

    def told(handler: str, requests: int, *, at_once: bool) -> tuple[Any, dict[str, float]]:
        folder = work / handler.partition(":")[0]
        told = count(backend, handler, requests=requests, at_once=at_once, environment=environment, work=folder)
        return told, {call: number / requests for call, number in told["counts"].items()}

    stepped, calls = told("bench_timed:handle", REQUESTS, at_once=False)
    _, plain_calls = told("bench_handler:handle", PLAIN_REQUESTS, at_once=True)
    # N steps: to take the journal, N to finish a step each, to close it; and the outcome.
    assert calls == {f"{JOURNAL} UpdateItem": len(STEPS) + 2, f"{TABLE} BatchExecuteStatement": 1}, calls
    assert plain_calls == {f"{TABLE} BatchExecuteStatement": 1}, plain_calls
    _print_calls(console, {f"{len(STEPS)} steps": calls, "plain handler": plain_calls})

    _print_times(
        console,
        {
            "a step, to the handler": stepped["steps"]["false"],
            "the first step: it takes the journal, too": stepped["steps"]["true"],
            "a write of the journal, to its client": stepped["seconds"][f"{JOURNAL} UpdateItem"],
        },
    )


def _print_calls(console: Console, calls: Mapping[str, Mapping[str, float]]) -> None:
    table = Table(title="calls of DynamoDB per request, counted")
    table.add_column("handler", no_wrap=True)
    names = sorted({name for of_one in calls.values() for name in of_one})
    for name in names:
        table.add_column(name, justify="right")
    for handler, of_one in calls.items():
        table.add_row(handler, *(f"{of_one.get(name, 0):g}" for name in names))
    console.print(table)


def _print_times(console: Console, times: Mapping[str, list[float]]) -> None:
    table = Table(title=f"a step on DynamoDB Local, {REQUESTS} flows one after the other")
    table.add_column("what", no_wrap=True)
    for column in ("p50 us", "p99 us"):
        table.add_column(column, justify="right", no_wrap=True)
    for what, seconds in times.items():
        percentiles = statistics.quantiles(seconds, n=100)
        table.add_row(what, f"{percentiles[49] * 1e6:,.0f}", f"{percentiles[98] * 1e6:,.0f}")
    console.print(table)

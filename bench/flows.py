"""The same flow of five steps in each of the ways to have durable steps, and what one flow takes in each."""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track

from bench.backend import BODY, Accepted, Backend, lambda_event
from bench.figures import Figure
from bench.functions.bench_flow import expected
from bench.packages import BOTO3, DROPSLOT, make_asset
from bench.worker import Worker, running

FLOWS: Final = 20
ROUNDS: Final = 7

#: By whether flows ran at once, then by way.
Figures = Mapping[bool, dict[str, list[Figure]]]


def orders(accepted: Sequence[Accepted], _at_once: bool) -> list[str]:  # noqa: FBT001 - as `Way.name` has it
    """Name flows by id and order."""
    return [json.dumps([request.id, json.loads(BODY)]) for request in accepted]


def records(accepted: Sequence[Accepted], _at_once: bool) -> list[str]:  # noqa: FBT001 - as above
    """Name flows by their change records."""
    return [request.data.decode() for request in accepted]


def invocations(accepted: Sequence[Accepted], at_once: bool) -> list[str]:  # noqa: FBT001 - as above
    """Name the invocations that run the flows, by their events."""
    batches = [accepted] if at_once else [[request] for request in accepted]
    return [lambda_event(batch, arrived_epoch_seconds=time.time()).decode() for batch in batches]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run the flow.

    Args:
        module: of its process.
        modules: what that finds, beside its own and the flow.
        arguments: of the process.
        is_ours: it runs in our environment.
        writes: outcomes, to the table of requests.
        name: names flows as the process has it; told whether they may run at once.
    """

    module: str
    modules: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    is_ours: bool = False
    writes: bool = False
    name: Callable[[Sequence[Accepted], bool], list[str]] = orders

    def command(self, others_python: Path) -> list[str]:
        """Return the command line of its process.

        Args:
            others_python: the interpreter of the environment that has the others' packages.
        """
        python = [sys.executable, "-S"] if self.is_ours else [str(others_python)]
        return [*python, "-m", self.module, *self.arguments]


def ways(disk: Path, memory: Path | None) -> Mapping[str, Way]:
    """Return all ways, in the order in which they run; the first is what the others are compared with.

    Args:
        disk: an empty folder.
        memory: one whose files are held in memory, as DynamoDB Local holds its tables; None where there is none.
    """
    databases = {"DBOS, SQLite on disk": disk}
    if memory is not None:
        databases = {"DBOS, SQLite in memory": memory, "- on disk": disk}
    dbos = {
        name: Way(module="bench_flow_dbos", arguments=(f"sqlite:///{folder / 'dbos.sqlite'}",))
        for name, folder in databases.items()
    }
    handler = (*DROPSLOT, "bench_flow_handler")
    shard = (*BOTO3, *handler, "bench_records")
    twins = (*handler, "bench_records", "bench_twins")
    return {
        **dbos,
        "Lambda durable, local runner": Way(module="bench_flow_durable"),
        "Dropslot, container": Way(module="bench_shard", modules=shard, is_ours=True, writes=True, name=records),
        "Dropslot, function": Way(
            module="bench_flow_function", modules=handler, is_ours=True, writes=True, name=invocations
        ),
        "- over its twins in memory": Way(module="bench_flow_twins", modules=twins, is_ours=True, name=records),
    }


def measure(
    backend: Backend,
    all_ways: Mapping[str, Way],
    *,
    others_python: Path,
    environment: Mapping[str, str],
    work: Path,
    console: Console,
) -> Figures:
    """Measure all ways in turns.

    Args:
        backend: what ours talks to.
        all_ways: by name.
        others_python: see `Way.command`.
        environment: of the processes.
        work: an empty folder.
        console: shows how far it is.
    """
    figures: Figures = {at_once: {name: [] for name in all_ways} for at_once in (False, True)}
    with ExitStack() as running_ways:
        workers: dict[str, Worker] = {}
        for number, (name, way) in enumerate(all_ways.items()):
            asset = make_asset(work / str(number), ("bench_flow", way.module, *way.modules))
            workers[name] = running_ways.enter_context(
                running(way.command(others_python), {**environment, "PYTHONPATH": str(asset)}, asset)
            )
        for round_number in track(range(ROUNDS + 1), console=console, transient=True):
            for number, (name, way) in enumerate(all_ways.items()):
                for at_once in (False, True):
                    batch = f"flow-{round_number}-{number}-{at_once:d}"
                    accepted = backend.accept(batch, FLOWS)
                    named = way.name(accepted, at_once)
                    figure = workers[name].ask(named, at_once=at_once, divide_by=FLOWS)
                    if way.writes:
                        results = backend.results(accepted)
                        assert results == [expected(json.loads(BODY))] * FLOWS, f"{name}: {results}"
                    if round_number > 0:  # the first warms up servers and processes
                        figures[at_once][name].append(figure)
    return figures

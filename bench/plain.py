"""What a plain handler costs per record on this tree, beside the last one without steps, in the same run."""

import io
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.backend import Backend
from bench.figures import Figure
from bench.packages import BOTO3, DROPSLOT, ROOT, make_asset
from bench.worker import Worker, running

RECORDS: Final = 250
ROUNDS: Final = 25

BEFORE: Final = "before steps"
HERE: Final = "on this tree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a plain handler is run.

    Args:
        module: of the process.
        execution: as `Settings` has it.
        writes: outcomes, to the table of requests.
    """

    module: str
    execution: str
    writes: bool


SETTINGS: Final = {
    "in threads": Setting(module="bench_shard", execution="auto", writes=True),
    "inline": Setting(module="bench_shard", execution="inline", writes=True),
    # The engine alone, where a difference shows best.
    "in threads, over the twin": Setting(module="bench_plain_twin", execution="auto", writes=False),
    "inline, over the twin": Setting(module="bench_plain_twin", execution="inline", writes=False),
}

_MODULES: Final = ("bench_flow", "bench_records", "bench_twins")

#: What came with steps, one or the other first.
_FIRST_OF_STEPS: Final = ("consumer/dropslot/core/journal.py", "consumer/dropslot/adapters/journal/__init__.py")


def revision_before() -> str | None:
    """Return the last revision without steps; None where git doesn't know."""
    added = _git("log", "--diff-filter=A", "--format=%H", "--", *_FIRST_OF_STEPS).decode().split()
    return f"{added[-1]}^" if added else None


def unpack(revision: str, folder: Path) -> Path | None:
    """Put our packages of a revision into a new folder and return it; None if the revision isn't there."""
    packed = _git("archive", "--format=tar", revision, "consumer", "lambda")
    if not packed:
        return None
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def measure(
    backend: Backend,
    before: Path,
    setting: Setting,
    *,
    environment: Mapping[str, str],
    work: Path,
    console: Console,
) -> dict[str, list[Figure]]:
    """Measure both trees in turns.

    Args:
        backend: has the tables.
        before: the tree without steps.
        setting: how.
        environment: of the processes.
        work: a new folder.
        console: shows how far it is.
    """
    trees = {BEFORE: before, HERE: ROOT}
    figures: dict[str, list[Figure]] = {name: [] for name in trees}
    variables = {"DROPSLOT_HANDLER": "bench_handler:handle", "DROPSLOT_EXECUTION": setting.execution}
    work.mkdir()
    with ExitStack() as running_ways:
        workers: dict[str, Worker] = {}
        for name, tree in trees.items():
            asset = make_asset(work / name, (*BOTO3, *DROPSLOT, *_MODULES, setting.module), root=tree)
            command = [sys.executable, "-S", "-m", setting.module]
            workers[name] = running_ways.enter_context(
                running(command, {**environment, **variables, "PYTHONPATH": str(asset)}, asset)
            )
        for round_number in track(range(ROUNDS + 1), console=console, transient=True):
            # Who goes first changes from round to round: the server gets slower as its table grows.
            for name in list(trees)[:: 1 if round_number % 2 else -1]:
                accepted = backend.accept(f"{work.name}-{round_number}-{name}", RECORDS)
                named = [request.data.decode() for request in accepted]
                figure = workers[name].ask(named, at_once=True, divide_by=RECORDS)
                assert not setting.writes or not backend.unwritten(accepted), name
                if round_number > 0:  # the first warms up server and processes
                    figures[name].append(figure)
    return figures


def print_ratios(console: Console, figures: Mapping[str, Mapping[str, Sequence[Figure]]]) -> None:
    """Print the CPU of both trees, and how many times less this one takes: the median over the rounds.

    Args:
        console: where to.
        figures: by setting and tree.
    """
    table = Table(title=f"a plain handler, CPU us per record, {ROUNDS} rounds of {RECORDS}, medians")
    table.add_column("handler", no_wrap=True)
    for column in (BEFORE, HERE, "x less"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, of_one in figures.items():
        before, here = ([figure.cpu for figure in of_one[tree]] for tree in (BEFORE, HERE))
        ratio = statistics.median(one / other for one, other in zip(before, here, strict=True))
        table.add_row(name, f"{statistics.median(before):,.0f}", f"{statistics.median(here):,.0f}", f"{ratio:.2f}")
    console.print(table)


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False).stdout  # noqa: S603, S607

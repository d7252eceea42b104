"""The demonstration, from starting the stack to the table of outcomes."""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dropslot.core import names
from dropslot.demo.checkpoints import at_end
from dropslot.demo.corpus import load_corpus
from dropslot.demo.outcomes import Outcomes, follow
from dropslot.demo.sender import send_all
from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.local.doctor import missing_for_kcl
from dropslot.local.options import StackOptions
from dropslot.local.stack import Stack, StackInfo
from dropslot.local.up import stay_up
from dropslot.runtimes.kcl.heartbeat import read_shard_beats

HANDLERS: Final = "orders=app.handler:handle,webhooks=app.webhooks:handle"
#: What can run requests.
ENGINES: Final = ("kcl",)

_PLAIN: Final[dict[str, Any]] = {"highlight": False, "markup": False, "soft_wrap": True}
_PATIENCE_SECONDS: Final = 60.0
_CHECKPOINT_SECONDS: Final = 30.0


def run_demo(options: StackOptions, console: Console, *, require: str | None, stay: bool) -> int:
    """Run the demonstration.

    Args:
        options: of the stack.
        console: where to show it.
        require: the engine that must have run every request; None takes any.
        stay: keep the stack up afterwards, until Ctrl-C.

    Returns:
        0 if every request settled as it had to and every checkpoint stands at the last record, else 1.
    """
    if missing := missing_for_kcl(os.environ):
        console.print(f"KCL can't run here, and nothing else runs requests yet: {missing}", **_PLAIN)
        return 1
    started = time.monotonic()
    samples = load_corpus(Path.cwd())
    with Stack(options, os.environ, lambda words: console.print(words, style="dim", highlight=False)) as stack:
        console.print(f"up after {time.monotonic() - started:.1f} s at {stack.info.url}", style="dim", highlight=False)
        with _progress(console) as progress:
            sending = progress.add_task("sent", total=len(samples))
            settling = progress.add_task("settled", total=len(samples))
            sent = asyncio.run(send_all(stack.info.url, samples, on_sent=lambda: progress.advance(sending)))
            with closing(dynamodb_client(stack.info.dynamodb_endpoint)) as client:
                outcomes = follow(
                    client,
                    options.table,
                    sent,
                    patience_seconds=_PATIENCE_SECONDS,
                    check=stack.check,
                    on_settled=lambda count: progress.advance(settling, count),
                )
        confirmed = _wait_for_checkpoints(options, stack.info, stack.check)
        by_kcl = _outcomes_by_kcl(Path(stack.info.state), len(outcomes.settled))
        consumer = "kcl" if by_kcl == len(outcomes.settled) else f"kcl ({by_kcl:,} of {len(outcomes.settled):,})"
        _report(console, consumer, outcomes, confirmed)
        faults = outcomes.unexpected()
        if require is not None and consumer != require:
            faults.append(f"{require} was required, the requests were run by {consumer}")
        faults += [f"the checkpoint of {shard_id} is behind" for shard_id, reached in confirmed.items() if not reached]
        for fault in faults:
            console.print(f"unexpected: {fault}", style="red", **_PLAIN)
        if stay:
            stay_up(stack, console)
    return 1 if faults else 0


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _wait_for_checkpoints(options: StackOptions, info: StackInfo, check: Callable[[], None]) -> dict[str, bool]:
    """Wait until every shard's checkpoint stands at its last record; return for each whether it does."""
    deadline = time.monotonic() + _CHECKPOINT_SECONDS
    with (
        closing(dynamodb_client(info.dynamodb_endpoint)) as dynamodb,
        closing(kinesis_client(info.kinesis_endpoint)) as kinesis,
    ):
        while True:
            check()
            reached = at_end(dynamodb, kinesis, application=options.application, stream=options.stream)
            if all(reached.values()) or time.monotonic() > deadline:
                return reached
            time.sleep(0.2)


def _outcomes_by_kcl(state_dir: Path, expected: int) -> int:
    """Return how many outcomes the shard processes of KCL say they have written; they say so once a second."""
    deadline = time.monotonic() + _CHECKPOINT_SECONDS
    while True:
        beats = read_shard_beats(state_dir / "consumer")
        written = sum(beat.counters.get(names.DONE, 0) + beat.counters.get(names.FAILED, 0) for beat in beats)
        if written >= expected or time.monotonic() > deadline:
            return written
        time.sleep(0.2)


def _report(console: Console, consumer: str, outcomes: Outcomes, confirmed: dict[str, bool]) -> None:
    def milliseconds(percent: float) -> str:
        value = outcomes.latency_ms(percent)
        return "-" if value is None else f"{value:,} ms"

    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("consumer", consumer)
    table.add_row("accepted", f"{outcomes.accepted:,}")
    table.add_row("done", f"{outcomes.count(names.DONE):,}")
    table.add_row("failed", f"{outcomes.count(names.FAILED):,}")
    table.add_row("unsettled", f"{outcomes.unsettled:,}")
    table.add_row("accept to outcome, p50", milliseconds(50))
    table.add_row("accept to outcome, p99", milliseconds(99))
    console.print(table)
    console.print(f"consumer: {consumer}", highlight=False)
    for shard_id, reached in confirmed.items():
        place = "stands at the last record" if reached else "has not reached the last record"
        console.print(f"checkpoint of {shard_id}: {place}", highlight=False)

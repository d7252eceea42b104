"""The demonstration, from starting the stack to the table of outcomes."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dropslot.core import names
from dropslot.demo.checkpoints import at_end
from dropslot.demo.corpus import SIGNING_KEY, load_corpus
from dropslot.demo.outcomes import Outcomes, follow
from dropslot.demo.sender import send_all
from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.local.consumer_state import counted
from dropslot.local.doctor import missing_for_kcl
from dropslot.local.info import StackInfo
from dropslot.local.options import KCL, LAMBDA, StackOptions
from dropslot.local.stack import Stack
from dropslot.local.up import stay_up

HANDLERS: Final = "orders=app.handler:handle,webhooks=app.webhooks:handle"
ENVIRONMENT: Final = {"WEBHOOK_SECRET": SIGNING_KEY}
_PLAIN: Final[dict[str, Any]] = {"highlight": False, "markup": False, "soft_wrap": True}
_PATIENCE_SECONDS: Final = 60.0
_CHECKPOINT_SECONDS: Final = 30.0


def choose_consumer(wanted: str | None, environment: Mapping[str, str], console: Console) -> str:
    """Return the consumer to run: the one that is wanted; else KCL, or Lambda where KCL can't be had, which is said."""
    if wanted is not None:
        return wanted
    missing = missing_for_kcl(environment)
    if not missing:
        return KCL
    console.print(f"KCL can't run here, so the Lambda consumer does: {missing}", **_PLAIN)
    return LAMBDA


def run_demo(options: StackOptions, console: Console, *, require: str | None, stay: bool) -> int:
    """Run the demonstration.

    Args:
        options: of the stack.
        console: where to show it.
        require: the consumer that must have run every request; None takes any.
        stay: keep the stack up afterwards, until Ctrl-C.

    Returns:
        0 if every request settled as it had to and every checkpoint stands at the last record, else 1.
    """
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
        consumer = _who_settled(Path(stack.info.state) / "consumer", len(outcomes.settled))
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
            reached = at_end(info, dynamodb, kinesis, application=options.application)
            if all(reached.values()) or time.monotonic() > deadline:
                return reached
            time.sleep(0.2)


def _who_settled(state_dir: Path, expected: int) -> str:
    """Return which consumer's processes say that they have written the outcomes; they say so once a second."""
    deadline = time.monotonic() + _CHECKPOINT_SECONDS
    while True:
        written = {name: totals[names.DONE] + totals[names.FAILED] for name, totals in counted(state_dir).items()}
        if sum(written.values()) >= expected or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    takers = {name: number for name, number in written.items() if number}
    if list(takers.values()) == [expected]:
        return next(iter(takers))
    return ", ".join(f"{name} ({number:,} of {expected:,})" for name, number in takers.items()) or "none"


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

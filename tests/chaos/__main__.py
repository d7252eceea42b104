"""Chaos at length: `python -m tests.chaos --requests 5000 --fault all --seed 7`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.campaign import Report, run_campaign, schedule
from tests.chaos.faults import FAULTS
from tests.chaos.scenarios import mixed_poison

_MIXED = "mixed"
_COLUMNS = (
    "fault",
    "requests",
    "strikes",
    "unsettled at strike",
    "lost",
    "wrong",
    "double outcomes",
    "runs/request",
    "most runs",
    "redrives",
    "starts",
    "sent again",
    "settle s",
    "all s",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaigns and print their table; 1 if any ledger has a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="in each campaign")
    parser.add_argument("--fault", action="append", choices=("all", _MIXED, *FAULTS), help="all is each, then mixed")
    parser.add_argument("--strikes", type=int, default=1, help="how often the fault of a campaign strikes")
    parser.add_argument("--mixed-strikes", type=int, default=12, help="faults in the mixed campaign")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="takes logs and data; default: a temporary one")
    options = parser.parse_args(arguments)
    chosen = options.fault if options.fault is not None else ["all"]
    campaigns = [*FAULTS, _MIXED] if "all" in chosen else chosen
    folder = options.folder if options.folder is not None else Path(tempfile.mkdtemp(prefix="dropslot-chaos-"))
    console = Console(width=180)
    console.print(f"logs in {folder}, seed {options.seed}", highlight=False)
    reports: list[Report] = []
    broken = 0
    for name in campaigns:
        faults = schedule(options.seed, options.mixed_strikes) if name == _MIXED else [name] * options.strikes
        extra = mixed_poison(options.seed, killer=True) if name == _MIXED else ()
        started = time.monotonic()

        def say(words: str, name: str = name, started: float = started) -> None:
            console.print(f"{name:>16} {time.monotonic() - started:6.1f} s  {words}", highlight=False)

        try:
            report = run_campaign(
                name, folder / name, faults=faults, requests=options.requests, seed=options.seed, extra=extra, say=say
            )
        except AssertionError as error:
            say(f"BROKEN: {error}")
            broken += 1
            continue
        reports.append(report)
        say(" ".join(f"{title}={value}" for title, value in zip(_COLUMNS[1:], _row(report)[1:], strict=True)))
        for fault in report.ledger.faults[:10]:
            say(f"FAULT: {fault}")
    console.print(_table(reports))
    return 1 if broken or any(report.ledger.faults for report in reports) else 0


def _table(reports: Sequence[Report]) -> Table:
    table = Table()
    for title in _COLUMNS:
        table.add_column(title, justify="left" if title == "fault" else "right")
    for report in reports:
        table.add_row(*_row(report))
    return table


def _row(report: Report) -> tuple[str, ...]:
    ledger = report.ledger
    least = min((strike.unsettled for strike in report.strikes), default=0)
    return (
        report.name,
        f"{ledger.requests}",
        f"{len(report.strikes)}",
        f">= {least}",
        f"{ledger.lost}",
        f"{ledger.wrong}",
        f"{ledger.double_outcomes}",
        f"{ledger.runs_per_request:.3f}",
        f"{ledger.most_runs}",
        f"{ledger.redrives}",
        f"{ledger.starts}",
        f"{report.again}",
        f"{report.settle_seconds:.1f}",
        f"{report.seconds:.1f}",
    )


if __name__ == "__main__":
    sys.exit(main())

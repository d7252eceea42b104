"""Chaos at length: `python -m tests.chaos --consumer lambda --requests 5000 --fault all --out chaos.jsonl`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from dropslot.local.options import KCL
from tests.chaos.campaign import run_campaign, schedule
from tests.chaos.faults import FAULTS
from tests.chaos.figures import Figures, as_line, as_table, figures_of, figures_of_broken, is_clean
from tests.chaos.poisons import mixed_poison

_MIXED: Final = "mixed"
#: By default a fault comes once for this many requests, and more often when faults are mixed; each needs a pile.
_REQUESTS_PER_STRIKE: Final = 1250
_REQUESTS_PER_MIXED_STRIKE: Final = 125


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaigns, one after the other, and print their table; 1 if any was broken off or has a fault."""
    options = _parse(arguments)
    chosen = options.fault if options.fault is not None else ["all"]
    campaigns = [*FAULTS[options.consumer], _MIXED] if "all" in chosen else chosen
    folder = options.folder if options.folder is not None else Path(tempfile.mkdtemp(prefix="dropslot-chaos-"))
    console = Console(width=180)
    console.print(f"logs in {folder}, seed {options.seed}", highlight=False)
    rows: list[Figures] = []
    for name in campaigns:
        row = _run(name, folder / name, options, console)
        rows.append(row)
        if options.out is not None:  # at once: what was measured stays, whatever becomes of the next
            with options.out.open("a") as lines:
                lines.write(as_line(row, options.seed))
    console.print(as_table(rows))
    return 0 if all(is_clean(row) for row in rows) else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="in each campaign")
    parser.add_argument("--fault", action="append", help="all is each, then mixed")
    parser.add_argument("--consumer", choices=tuple(FAULTS), default=KCL, help="what runs requests")
    parser.add_argument("--strikes", type=int, help="how often the fault of a campaign strikes; default: by requests")
    parser.add_argument("--mixed-strikes", type=int, help="faults in the mixed campaign; default: by requests")
    parser.add_argument("--concurrency", type=int, default=8, help="of each shard: more for many requests")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="takes logs and data; default: a temporary one")
    parser.add_argument("--out", type=Path, help="gets a line of JSON for each campaign")
    options = parser.parse_args(arguments)
    known = ("all", _MIXED, *FAULTS[options.consumer])
    if unknown := [fault for fault in options.fault or () if fault not in known]:
        parser.error(f"{unknown[0]} strikes no {options.consumer} consumer; choose from {', '.join(known)}")
    return options


def _run(name: str, folder: Path, options: argparse.Namespace, console: Console) -> Figures:
    started = time.monotonic()

    def say(words: str) -> None:
        console.print(f"{name:>16} {time.monotonic() - started:6.1f} s  {words}", highlight=False)

    if name == _MIXED:
        strikes = options.mixed_strikes
        if strikes is None:
            strikes = min(len(FAULTS[options.consumer]), max(1, options.requests // _REQUESTS_PER_MIXED_STRIKE))
        faults = schedule(options.seed, strikes, options.consumer)
        extra = mixed_poison(options.seed, options.consumer)
    else:
        strikes = options.strikes if options.strikes is not None else max(1, options.requests // _REQUESTS_PER_STRIKE)
        faults, extra = [name] * strikes, []
    try:
        report = run_campaign(
            name,
            folder,
            consumer=options.consumer,
            faults=faults,
            requests=options.requests,
            seed=options.seed,
            extra=extra,
            concurrency=options.concurrency,
            say=say,
        )
    except Exception as error:  # noqa: BLE001 - nobody is watching: the others are to run whatever breaks this one
        row = figures_of_broken(name, error)
        say(f"BROKEN OFF: {row['error']}")
        return row
    row = figures_of(report)
    say(" ".join(f"{figure}={value}" for figure, value in row.items() if figure not in {"name", "struck", "faults"}))
    for fault in report.ledger.faults[:10]:
        say(f"FAULT: {fault}")
    return row


if __name__ == "__main__":
    sys.exit(main())

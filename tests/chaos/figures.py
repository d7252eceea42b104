"""What a campaign came to, as one row: of the table that a person reads, and of the file that a script does."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.table import Table

from tests.chaos.campaign import Report

Figures = Mapping[str, Any]

#: Columns of the table: the title, and the figure's name.
_COLUMNS: Final[Mapping[str, str]] = {
    "fault": "name",
    "requests": "requests",
    "strikes": "strikes",
    "unsettled at strike, least": "least_unsettled",
    "lost": "lost",
    "wrong": "wrong",
    "blamed": "blamed",
    "double outcomes": "double_outcomes",
    "runs/request": "runs_per_request",
    "most runs": "most_runs",
    "redrives": "redrives",
    "starts": "starts",
    "sent again": "sent_again",
    "invocations lost": "lost_invocations",
    "settle s": "settle_seconds",
    "all s": "seconds",
    "verdict": "verdict",
}


def figures_of(report: Report) -> Figures:
    """Return the figures of a campaign that came to its end."""
    ledger = report.ledger
    return {
        "name": report.name,
        "requests": ledger.requests,
        "strikes": len(report.strikes),
        "struck": [{"fault": strike.fault, "unsettled": strike.unsettled} for strike in report.strikes],
        "least_unsettled": min((strike.unsettled for strike in report.strikes), default=0),
        "lost": ledger.lost,
        "wrong": ledger.wrong,
        "blamed": ledger.blamed,
        "double_outcomes": ledger.double_outcomes,
        "runs_per_request": round(ledger.runs_per_request, 3),
        "most_runs": ledger.most_runs,
        "redrives": ledger.redrives,
        "starts": ledger.starts,
        "sent_again": report.again,
        "lost_invocations": report.lost_invocations,
        "settle_seconds": round(report.settle_seconds, 1),
        "seconds": round(report.seconds, 1),
        "faults": ledger.faults,
        "verdict": f"{len(ledger.faults)} faults" if ledger.faults else "clean",
    }


def figures_of_broken(name: str, error: Exception) -> Figures:
    """Return what there is to say of a campaign that didn't come to its end."""
    return {"name": name, "verdict": "broken off", "error": f"{type(error).__name__}: {error}"}


def is_clean(figures: Figures) -> bool:
    """Tell whether a campaign came to its end and its books agree."""
    return bool(figures["verdict"] == "clean")


def as_line(figures: Figures, seed: int) -> str:
    """Return the figures as a line of JSON."""
    return json.dumps({**figures, "seed": seed}) + "\n"


def as_table(rows: Sequence[Figures]) -> Table:
    """Return the figures of all campaigns as a table."""
    table = Table()
    for title in _COLUMNS:
        table.add_column(title, justify="left" if title in {"fault", "verdict"} else "right")
    for row in rows:
        table.add_row(*(str(row.get(name, "")) for name in _COLUMNS.values()))
    return table

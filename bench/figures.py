"""What was measured, and the table that shows it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One round of one way.

    Args:
        cpu: user and system time of its process, all threads.
        wall: time that passed; in the unit of `cpu`.
    """

    cpu: float
    wall: float


def times_less(base: Sequence[Figure], rounds: Sequence[Figure]) -> Figure:
    """Return how many times less than the base a way takes: the median over the rounds."""
    pairs = list(zip(base, rounds, strict=True))
    return Figure(
        cpu=statistics.median(other.cpu / figure.cpu for other, figure in pairs),
        wall=statistics.median(other.wall / figure.wall for other, figure in pairs),
    )


def print_figures(
    console: Console, title: str, unit: str, figures: Mapping[str, Sequence[Figure]], *, base: str
) -> None:
    """Print medians, and how many times less each way takes than the base: the median over the rounds.

    Args:
        console: where to.
        title: what was measured.
        unit: of the figures.
        figures: rounds by way; the n-th of each were measured one after the other.
        base: the way that the others are compared with.
    """
    table = Table(title=title)
    table.add_column("way", no_wrap=True)
    for column in (f"CPU {unit}", "x less", f"wall {unit}", "x less"):
        table.add_column(column, justify="right", no_wrap=True)
    for way, rounds in figures.items():
        less = times_less(figures[base], rounds)
        table.add_row(
            way,
            f"{statistics.median(figure.cpu for figure in rounds):,.0f}",
            f"{less.cpu:.2f}",
            f"{statistics.median(figure.wall for figure in rounds):,.0f}",
            f"{less.wall:.2f}",
        )
    console.print(table)

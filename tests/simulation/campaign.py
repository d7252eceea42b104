"""Plays many seeds on all processors and sums up what they had and what they broke."""

import gc
import multiprocessing
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from tests.simulation.faults import CLASSES
from tests.simulation.play import Report, play

#: Seeds handed to a process at once.
CHUNK = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a campaign came to.

    Args:
        seeds: how many were played.
        median_steps: events of the schedule in the middle.
        requests: of all schedules.
        runs: starts of handlers.
        redrives: by the sweep.
        shares: of schedules that each class of fault struck.
        broken: reports of the seeds that broke a promise.
    """

    seeds: int
    median_steps: float
    requests: int
    runs: int
    redrives: int
    shares: dict[str, float]
    broken: tuple[Report, ...]

    def lines(self) -> Iterator[str]:
        """Put it into words."""
        yield (
            f"{self.seeds} seeds, {len(self.broken)} broke a promise; {self.median_steps:.0f} events in the median "
            f"schedule; {self.requests} requests, {self.runs / max(1, self.requests):.3f} handler runs and "
            f"{self.redrives / max(1, self.requests):.3f} redrives a request"
        )
        yield "struck by " + ", ".join(f"{name} {share:.1%}" for name, share in self.shares.items())
        for report in self.broken[:3]:
            yield ""
            yield from report.lines
            yield f"BROKEN: {report.violation}"
            yield f"again: python -m tests.simulation {report.seed}"


def run(seeds: Sequence[int], *, processes: int, progress: Callable[[str], None]) -> Summary:
    """Play seeds.

    Args:
        seeds: which.
        processes: how many at once.
        progress: told now and then how far it is.
    """
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    if processes == 1:
        return _sum_up(_watched((play_all(chunk) for chunk in chunks), len(seeds), progress))
    # Spawned, not forked: the same on every system, and nothing of the test run's own state comes along.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return _sum_up(_watched(pool.imap_unordered(play_all, chunks), len(seeds), progress))


def play_all(seeds: Sequence[int]) -> list[Report]:
    """Play seeds in this process."""
    gc.collect()
    gc.freeze()  # what the schedules leave behind is then found without going through all modules again
    try:
        return [play(seed) for seed in seeds]
    finally:
        gc.unfreeze()


def _watched(batches: Iterable[list[Report]], total: int, progress: Callable[[str], None]) -> Iterator[list[Report]]:
    played = broken = 0
    for batch in batches:
        before, played = played, played + len(batch)
        broken += sum(bool(report.violation) for report in batch)
        if played * 10 // total > before * 10 // total:
            progress(f"{played} of {total} seeds, {broken} broke a promise")
        yield batch


def _sum_up(batches: Iterable[list[Report]]) -> Summary:
    reports = sorted(chain.from_iterable(batches), key=lambda report: report.seed)
    had = Counter(name for report in reports for name in report.faults)
    return Summary(
        seeds=len(reports),
        median_steps=statistics.median(report.steps for report in reports),
        requests=sum(report.requests for report in reports),
        runs=sum(report.runs for report in reports),
        redrives=sum(report.redrives for report in reports),
        shares={name: had[name] / len(reports) for name in CLASSES},
        broken=tuple(report for report in reports if report.violation),
    )

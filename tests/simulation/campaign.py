"""Plays many seeds on all processors and sums up what they had and what they broke."""

import gc
import multiprocessing
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from tests.simulation.faults import CLASSES
from tests.simulation.holder import KCL, LAMBDA
from tests.simulation.operations import REUSED
from tests.simulation.plan import BOTH, WORLDS
from tests.simulation.play import Report, play
from tests.simulation.runs import WEAKNESSES
from tests.simulation.sagas import MET

#: Seeds handed to a process at once: what they leave behind is collected before the next ones, which takes its time.
CHUNK = 200
#: After so many of them a process makes way for a new one: schedules leave killed images behind that nobody can free.
CHUNKS_PER_PROCESS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a campaign came to.

    Args:
        seeds: how many were played.
        median_steps: events of the schedule in the middle.
        requests: of all schedules.
        runs: starts of handlers.
        redrives: of pending and waiting requests: by the sweep, or a replay.
        operated: redrives of failed, done and gone ones, by operators.
        worlds: share of schedules by who consumes.
        outcomes: share of each consumer where both are.
        shares: of schedules that each class of fault struck.
        weaknesses: of schedules that met what only a documented weakness allows.
        sagas: what was met of requests with steps, in all schedules.
        broken: reports of the seeds that broke a promise.
    """

    seeds: int
    median_steps: float
    requests: int
    runs: int
    redrives: int
    operated: int
    worlds: dict[str, float]
    outcomes: dict[str, float]
    shares: dict[str, float]
    weaknesses: dict[str, float]
    sagas: dict[str, int]
    broken: tuple[Report, ...]

    def lines(self) -> Iterator[str]:
        """Put it into words."""
        yield (
            f"{self.seeds} seeds, {len(self.broken)} broke a promise; {self.median_steps:.0f} events in the median "
            f"schedule; {self.requests} requests, {self.runs / max(1, self.requests):.3f} handler runs and "
            f"{self.redrives / max(1, self.requests):.3f} redrives a request; "
            f"operators redrove {self.operated} that were settled"
        )
        yield f"consumed by {_listed(self.worlds)}; of the outcomes with both, {_listed(self.outcomes)}"
        yield f"struck by {_listed(self.shares)}"
        yield f"weaknesses met: {_listed(self.weaknesses)}"
        yield f"requests with steps: {', '.join(f'{name} {number}' for name, number in self.sagas.items())}"
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
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=CHUNKS_PER_PROCESS) as pool:
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
        for report in batch:
            if report.violation:  # at once: the others may take long
                broken += 1
                progress(f"seed {report.seed} broke a promise: {report.violation}")
        if played * 10 // total > before * 10 // total:
            progress(f"{played} of {total} seeds, {broken} broke a promise")
        yield batch


def _sum_up(batches: Iterable[list[Report]]) -> Summary:
    reports = sorted(chain.from_iterable(batches), key=lambda report: report.seed)
    return Summary(
        seeds=len(reports),
        median_steps=statistics.median(report.steps for report in reports),
        requests=sum(report.requests for report in reports),
        runs=sum(report.runs for report in reports),
        redrives=sum(report.redrives for report in reports),
        operated=sum(report.operated for report in reports),
        worlds=_shares(WORLDS, Counter(report.world for report in reports)),
        outcomes=outcomes_with_both(reports),
        shares=_shares(CLASSES, Counter(name for report in reports for name in report.faults), len(reports)),
        weaknesses=_shares(
            (*WEAKNESSES, REUSED), Counter(name for report in reports for name in report.weaknesses), len(reports)
        ),
        sagas={name: sum(report.sagas.get(name, 0) for report in reports) for name in MET},
        broken=tuple(report for report in reports if report.violation),
    )


def outcomes_with_both(reports: Iterable[Report]) -> dict[str, float]:
    """Return what share of the outcomes each consumer brought where both were."""
    outcomes: Counter[str] = Counter()
    for report in reports:
        if report.world == BOTH:
            outcomes.update(report.outcomes)
    return _shares((KCL, LAMBDA), outcomes)


def _shares(of_what: Iterable[str], counts: Counter[str], total: int | None = None) -> dict[str, float]:
    whole = max(1, total if total is not None else counts.total())
    return {name: counts[name] / whole for name in of_what}


def _listed(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.1%}" for name, share in shares.items())

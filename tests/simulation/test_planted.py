"""Planted bugs: a simulation that finds nothing proves something only if it finds these."""

from collections.abc import Iterator

import pytest

from tests.simulation.planted import BUGS
from tests.simulation.play import Report, play

#: A bug that takes more seeds than this would get through a change's own test run.
SEEDS_MAX = 1_500


def _broken(seeds: range) -> Iterator[Report]:
    return (report for seed in seeds if (report := play(seed)).violation)


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str) -> None:
    """Given a bug in the product, then some seed breaks a promise, and its history says which request it was."""
    with BUGS[name]():
        report = next(_broken(range(SEEDS_MAX)), None)
    assert report is not None, f"{name} was not caught in {SEEDS_MAX} seeds"
    print(f"{name}: caught by seed {report.seed} ({report.seed + 1} seeds): {report.violation}")  # noqa: T201 - the price of finding it
    assert report.lines
    assert not play(report.seed).violation, "the seed breaks a promise without the bug as well"

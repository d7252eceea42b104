"""Seeds in bulk: no schedule of faults may break a promise."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.simulation import campaign
from tests.simulation.faults import CLASSES
from tests.simulation.play import play

#: More are played with ``DROPSLOT_SIM_SEEDS=100000``.
SEEDS = 10_000


@pytest.fixture(scope="module")
def seeds() -> range:
    """The seeds to play."""
    return range(int(os.environ.get("DROPSLOT_SIM_SEEDS", SEEDS)))


def test_ten_thousand_seeds(seeds: range, tell: Callable[[object], None]) -> None:
    """Given schedules full of faults that stop at some time, then every promise is kept in each of them."""
    summary = campaign.run(seeds, processes=os.cpu_count() or 1, progress=print)
    tell("\n".join(summary.lines()))
    assert not summary.broken, "\n".join(summary.lines())


def test_every_class_of_fault_is_met() -> None:
    """Given a few hundred seeds, then each class of fault strikes in some of them, and most meet several."""
    reports = campaign.play_all(range(300))
    assert {name for report in reports for name in report.faults} == set(CLASSES)
    assert sum(len(report.faults) >= 3 for report in reports) > 200


@pytest.mark.parametrize("seed", [1, 15, 82])
def test_a_seed_is_one_schedule(seed: int) -> None:
    """Given a seed, then it plays the same schedule again, in another process with other hashes as well."""
    here = play(seed, trace=True)
    assert play(seed, trace=True) == here
    elsewhere = subprocess.run(
        [sys.executable, "-m", "tests.simulation", str(seed), "--trace"],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert elsewhere.stdout.splitlines()[: len(here.lines)] == list(here.lines)

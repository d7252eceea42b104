"""Faults mixed at random from a seed, with poison among the requests: nothing is lost, nothing settles twice."""

from collections.abc import Callable
from pathlib import Path

from tests.chaos.campaign import run_campaign, schedule
from tests.chaos.faults import FAULTS, LEAST_UNSETTLED
from tests.chaos.scenarios import mixed_poison

Tell = Callable[[object], None]


def test_a_schedule_is_the_same_for_the_same_seed_and_leaves_no_kind_out() -> None:
    """Given a seed, when a schedule is drawn twice, then it is the same, and each kind comes before any comes again."""
    drawn = schedule(3, len(FAULTS) + 2)

    assert drawn == schedule(3, len(FAULTS) + 2)
    assert set(drawn[: len(FAULTS)]) == set(FAULTS)


def test_mixed_faults_lose_nothing(folder: Path, requests_count: int, strikes: int, seed: int, tell: Tell) -> None:
    """Given requests with poison among them, when faults strike at random, then all settle once, as they must."""
    poisons = mixed_poison(seed)

    report = run_campaign(
        "mixed",
        folder,
        faults=schedule(seed, strikes),
        requests=requests_count,
        seed=seed,
        extra=poisons,
        say=tell,
    )

    tell(report)
    report.ledger.assert_clean()
    assert report.ledger.requests >= requests_count + len(poisons)
    assert report.ledger.blamed <= strikes, "at most one request is under way alone when a process is killed"
    assert len(report.strikes) == strikes
    assert all(strike.unsettled >= LEAST_UNSETTLED for strike in report.strikes)

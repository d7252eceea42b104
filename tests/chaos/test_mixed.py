"""Faults mixed at random from a seed, with poison among the requests: nothing is lost, nothing settles twice."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.campaign import run_campaign, schedule
from tests.chaos.faults import FAULTS
from tests.chaos.poisons import mixed_poison
from tests.chaos.strikes import LEAST_UNSETTLED

Tell = Callable[[object], None]


@pytest.mark.parametrize("name", FAULTS)
def test_a_schedule_is_the_same_for_the_same_seed_and_leaves_no_kind_out(name: str) -> None:
    """Given a seed, when a schedule is drawn twice, then it is the same, and each kind comes before any comes again."""
    kinds = FAULTS[name]
    drawn = schedule(3, len(kinds) + 2, name)

    assert drawn == schedule(3, len(kinds) + 2, name)
    assert set(drawn[: len(kinds)]) == set(kinds)


@pytest.mark.parametrize("consumer", FAULTS, indirect=True)
def test_mixed_faults_lose_nothing(consumer: str, folder: Path, size: tuple[int, int], seed: int, tell: Tell) -> None:
    """Given requests with poison among them, when faults strike at random, then all settle once, as they must."""
    requests, strikes = size
    poisons = mixed_poison(seed, consumer)

    report = run_campaign(
        "mixed",
        folder,
        consumer=consumer,
        faults=schedule(seed, strikes, consumer),
        requests=requests,
        seed=seed,
        extra=poisons,
        say=tell,
    )

    tell(report)
    report.ledger.assert_clean()
    assert report.ledger.requests >= requests + len(poisons)
    assert report.ledger.blamed <= strikes, "at most one request is under way alone when a process is killed"
    assert len(report.strikes) == strikes
    assert all(strike.unsettled >= LEAST_UNSETTLED for strike in report.strikes)

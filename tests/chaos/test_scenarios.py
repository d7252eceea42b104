"""Poison, a leaky stream, an orderly stop and a backlog on the whole pipeline (`CHAOS_CONSUMER`: `kcl`, `lambda`)."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from dropslot.local.options import KCL, LAMBDA
from tests.chaos.poisons import POISONS, costs_a_process
from tests.chaos.scenarios import leaking, poisoned, stopped
from tests.chaos.stand import MAPPING, SHARDS

Tell = Callable[[object], None]

#: Crashes that one killer costs at most: unsuspected ones, two as a suspect, and then it is failed. Unsuspected is the
#: first; on Lambda it may be the first of each environment that was warm when the request came, one in each lane.
_CRASHES: Final = {KCL: 1 + 2, LAMBDA: SHARDS * MAPPING.parallelization + 2}


def test_poison_is_failed_and_the_rest_goes_on(folder: Path, consumer: str, seed: int, tell: Tell) -> None:
    """Given requests that kill, exhaust and hang their process, when 200 follow, then all of these settle meanwhile.

    And each poison is failed with a clear error, after few restarts.
    """
    deeds = os.environ.get("CHAOS_POISON", ",".join(POISONS[consumer])).split(",")
    killers = {deed for deed in deeds if costs_a_process(deed)}

    story = poisoned(folder, consumer=consumer, deeds=deeds, later=200, seed=seed)

    tell(story)
    story.ledger.assert_clean()
    assert story.deaths <= _CRASHES[consumer] * len(killers)
    assert all(story.runs[deed] <= _CRASHES[consumer] for deed in killers)
    # It may be under way whenever another one kills their process.
    assert story.runs.get("large", 0) <= 1 + story.deaths


@pytest.mark.parametrize("consumer", [KCL, LAMBDA], indirect=True)
def test_what_the_stream_skips_is_swept(folder: Path, consumer: str, seed: int, tell: Tell) -> None:
    """Given a stream that skips 5% of its records, repeats and reorders others, then the sweep brings just those.

    A repeated record runs nothing on containers; functions share no memory, so there it may.
    """
    story = leaking(folder, consumer=consumer, requests=300, rate=0.05, seed=seed)

    tell(story)
    story.ledger.assert_clean()
    assert min(story.skipped, story.duplicated, story.reordered) > 0
    assert story.ledger.redrives == story.skipped
    too_many = story.ledger.runs_per_request * story.ledger.requests - story.ledger.requests
    assert too_many <= (0 if consumer == KCL else story.duplicated)


def test_an_orderly_stop_hands_over_and_a_backlog_settles(folder: Path, consumer: str, seed: int, tell: Tell) -> None:
    """Given a consumer in the middle of its work, when it is stopped, then it ends in order and repeats nothing.

    And what piles up meanwhile, redriven by the sweep while nobody consumes, settles with hardly a run too many.
    """
    backlog = int(os.environ.get("CHAOS_BACKLOG", "500"))

    story = stopped(folder, consumer=consumer, requests=300, backlog=backlog, seed=seed)

    tell(story)
    story.ledger.assert_clean()
    assert story.exit_code == 0
    assert story.unsettled >= 50
    assert story.repeated == 0
    assert story.checkpoints_behind == 0
    assert story.backlog_runs <= 1.05
    assert backlog <= story.backlog_redrives <= 5 * backlog

"""Faults on demand: reproducible by seed, at the rates asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot.core.errors import ConfigurationError
from dropslot.local.relay.faults import Fate, Faults, change_name


def test_without_rates_nothing_happens() -> None:
    """Given no rates, every record goes its way."""
    assert {Faults(seed=seed).fate("shard/1") for seed in range(50)} == {Fate()}


@given(st.integers(), st.text())
def test_the_same_seed_gives_the_same_fate(seed: int, position: str) -> None:
    """Given a seed, a change's fate depends on its name alone, whatever came before."""
    faults = Faults(duplicate=0.5, delay=0.5, reorder=0.5, skip=0.5, seed=seed)

    assert faults.fate(position) == faults.fate(position)


def test_rates_are_met() -> None:
    """Given rates, about that share of many records is hit."""
    faults = Faults(duplicate=0.3, delay=0.2, reorder=0.1, skip=0.05, seed=7)
    fates = [faults.fate(f"shard/{number}") for number in range(4000)]

    assert sum(fate.copy_after_seconds is not None for fate in fates) / 4000 == pytest.approx(0.3, abs=0.03)
    assert sum(fate.hold_seconds > 0 for fate in fates) / 4000 == pytest.approx(0.2, abs=0.03)
    assert sum(fate.swap for fate in fates) / 4000 == pytest.approx(0.1, abs=0.03)
    assert sum(fate.skip for fate in fates) / 4000 == pytest.approx(0.05, abs=0.03)


def test_one_rate_does_not_move_another() -> None:
    """Given a seed, turning duplicates on skips the same records as before."""
    alone, together = Faults(skip=0.2, seed=3), Faults(skip=0.2, duplicate=0.5, seed=3)
    positions = [f"shard/{number}" for number in range(500)]

    assert [alone.fate(each).skip for each in positions] == [together.fate(each).skip for each in positions]


def test_all_wrong_rates_are_named() -> None:
    """Given several wrong values, the error has a sentence for each."""
    with pytest.raises(ConfigurationError) as wrong:
        Faults(duplicate=1.5, skip=-0.1, delay_seconds=-1)

    assert len(wrong.value.faults) == 3


def test_a_change_is_named_by_what_it_does() -> None:
    """Given the same change in two runs, with other sequence numbers, times and hex digits, its name is the same."""
    first, again = (
        {
            "eventID": event_id,
            "eventName": "MODIFY",
            "dynamodb": {
                "SequenceNumber": sequence_number,
                "NewImage": {"status": {"S": f"pending-{digit}"}, "attempt": {"N": "2"}, "accepted_at": {"N": time}},
            },
        }
        for event_id, sequence_number, digit, time in [("a", "1", "3", "17"), ("b", "9", "f", "18")]
    )

    assert change_name(first, "KEY") == change_name(again, "KEY") == "KEY/MODIFY/pending/2"
    assert change_name({"eventName": "REMOVE", "dynamodb": {}}, "KEY") == "KEY/REMOVE//"

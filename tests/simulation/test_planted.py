"""Planted bugs: a simulation that finds nothing proves something only if it finds these."""

from collections.abc import Callable, Iterator
from itertools import count, islice

import pytest

from tests.simulation import plan, planted_functions, planted_operators, planted_steps
from tests.simulation.holder import KCL
from tests.simulation.planted import BUGS, livelock, obeys_the_record
from tests.simulation.play import play

#: A bug that takes more seeds than this, of those in which it can show, would get through a change's own test run.
SEEDS_MAX = 1_500
#: The promise that only time can break.
SETTLED = "accepted is settled"

ALL_BUGS = {**BUGS, **planted_functions.BUGS, **planted_operators.BUGS, **planted_steps.BUGS}

Tell = Callable[[object], None]


def _seeds(name: str) -> Iterator[int]:
    """Return the first seeds in which a bug can show."""
    return islice((seed for seed in count() if _can_show(name, plan.of_seed(seed))), SEEDS_MAX)


def _can_show(name: str, drawn: plan.Plan) -> bool:
    """Tell whether it can: the functions' own bugs need functions, those of commands need operators."""
    if name in planted_functions.BUGS:
        return drawn.functions is not None
    if name == planted_operators.forced_redrives_join.__name__:  # an outcome must be under way just then
        late = drawn.world == plan.BOTH or "latency" in drawn.faults
        return late and drawn.operators is not None and drawn.operators.forces_at_once
    if name == planted_steps.failed_lets_go_first.__name__:  # another worker must be at it at the same attempt
        return drawn.world == plan.BOTH
    return name in BUGS or name in planted_steps.BUGS or drawn.operators is not None


@pytest.mark.parametrize("name", ALL_BUGS)
def test_a_planted_bug_is_caught(name: str, tell: Tell) -> None:
    """Given a bug in the product, then some seed breaks a promise, and its history says which request it was."""
    with ALL_BUGS[name]():
        reports = enumerate((play(seed) for seed in _seeds(name)), 1)
        played, report = next(((played, report) for played, report in reports if report.violation), (SEEDS_MAX, None))
    assert report is not None, f"{name} was not caught in {SEEDS_MAX} seeds"
    tell(f"{name}: caught by seed {report.seed} ({played} seeds): {report.violation}")
    assert report.lines
    assert not play(report.seed).violation, "the seed breaks a promise without the bug as well"


def test_a_livelock_shows_by_itself(tell: Tell) -> None:
    """Given redrives that outrun the work, when nothing is demanded but an end, then an overloaded schedule has none.

    And it has one as soon as a success counts at any attempt, which is the rule that the product has for it.
    """
    overloaded = (
        seed for seed in range(SEEDS_MAX) if (drawn := plan.of_seed(seed)).faults == {"overload"} and drawn.world == KCL
    )
    with livelock():
        report = next(
            report for seed in overloaded if SETTLED in (report := play(seed, promises=frozenset({SETTLED}))).violation
        )
    with obeys_the_record():
        settling = play(report.seed, promises=frozenset({SETTLED}))

    tell(f"livelock: seed {report.seed}, {report.redrives} redrives of {report.requests} requests, and no end")
    assert SETTLED not in settling.violation
    assert settling.redrives < report.redrives


def test_a_success_that_is_refused_is_run_again_and_found(tell: Tell) -> None:
    """Given successes that need an equal attempt, when only the runs are watched, then too many of them are found."""
    promise = "a success isn't repeated"
    with BUGS["done_needs_equal_attempt"]():
        reports = (play(seed, promises=frozenset({promise})) for seed in range(SEEDS_MAX))
        report = next(report for report in reports if report.violation)

    tell(f"done_needs_equal_attempt: by its runs alone caught by seed {report.seed}")
    assert report.violation.startswith(promise)

"""`dropslot retry --undo` on real tables: only what is stuck has its steps undone, and nothing of it runs anew."""

import json
from typing import Any

import pytest

from dropslot.core import names
from tests.integration.operate import journals
from tests.integration.operate.journals import STUCK_ERROR, step, stuck, undone
from tests.integration.operate.operator import Operator, run
from tests.integration.operate.test_retry import failed, redriven, report
from tests.unit.core.images import ACCEPTED_AT_MS

#: Of six failed requests, by number: those that are stuck, and those whose errors only say so.
STUCK = {1, 4}
CLAIMED_ONLY = {2, 3}


def key(index: int) -> str:
    """Return an item's id."""
    return f"-#orders#r-{index:03}"


@pytest.fixture
def six(operator: Operator) -> Operator:
    """Six failed requests and their journals."""
    told = STUCK | CLAIMED_ONLY
    operator.put(*(failed(index, attempt=4, rerun=3, **_error(index in told)) for index in range(6)))
    journals.put(
        operator,
        stuck(key(1), attempt=4),
        # It was stuck before, and its newest run isn't.
        stuck(key(2), attempt=1),
        undone(key(2), step("reserve", "1", 1, undone_at=ACCEPTED_AT_MS + 9), run=1, attempt=4, began=2),
        undone(key(4), step("reserve", "1", 1, undone_at=ACCEPTED_AT_MS + 9)),
        stuck(key(4), run=1, attempt=4, began=2),
        # A stuck run of an earlier request of the same id.
        stuck(key(5), accepted_at=ACCEPTED_AT_MS - 1),
    )
    return operator


def _error(tells: bool) -> dict[str, str]:
    return {"error": STUCK_ERROR} if tells else {}


def moved(operator: Operator) -> set[int]:
    """Return the numbers of those that are pending again."""
    return {int(one[-3:]) for one, item in operator.items().items() if item["attempt"] == {"N": "5"}}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--all"], {"redriven": 2, "nothing_to_undo": 2}),
        (["--type", "orders", "--error", "no such street"], {"redriven": 2, "nothing_to_undo": 2}),
        (["r-001", "--type", "orders"], {"redriven": 1}),
        (
            ["r-000", "r-001", "r-002", "r-009", "--type", "orders"],
            {"redriven": 1, "nothing_to_undo": 2, "not_failed": 1},
        ),
        (["r-005", "--type", "orders"], {"nothing_to_undo": 1}),
        (["--error", "HTTPError"], {}),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_only_what_is_stuck_is_redriven(six: Operator, words: list[str], expected: dict[str, int]) -> None:
    """Given a choice, a dry run counts those that are stuck and changes nothing, a run redrives these alone."""
    before = six.items()

    dry = run("retry", "--undo", *words, "--dry-run", "--json")
    assert dry.code == 0
    counted = json.loads(dry.out)
    assert counted["failed"] == counted["not_undone"] == expected.get("redriven", 0)
    assert counted["nothing_to_undo"] == expected.get("nothing_to_undo", 0)
    assert six.items() == before

    outcome = run("retry", "--undo", *words, "--yes", "--json")
    assert report(outcome) == expected
    assert outcome.code == (0 if set(expected) <= {"redriven"} else 1)
    assert len(moved(six)) == expected.get("redriven", 0)
    assert moved(six) <= STUCK
    after = six.items()
    assert {one: item for one, item in after.items() if int(one[-3:]) not in moved(six)} == {
        one: item for one, item in before.items() if int(one[-3:]) not in moved(six)
    }


def test_nothing_of_it_runs_anew(six: Operator) -> None:
    """Given a stuck run that an earlier retry wanted a new one after, no new one is asked for any more.

    `rerun` must stay above what earlier runs began at, or the next attempt would stop at one of these.
    """
    assert run("retry", "--undo", "--all", "--yes").code == 1

    items = six.items()
    for index, began in ((1, "0"), (4, "2")):
        item = items[key(index)]
        assert (item["rerun"]["N"], item["tries"]["N"]) == (began, "0")
        assert item["status"]["S"].startswith(names.PENDING)
        assert item["last_error"]["S"] == STUCK_ERROR
        assert "error" not in item


def test_without_the_table_of_journals_nothing_is_stuck(operator: Operator) -> None:
    """Given errors that tell of steps, and no table of them, all are left alone, and counted."""
    operator.put(failed(1, error=STUCK_ERROR))

    outcome = run("retry", "--undo", "--all", "--yes", "--json")

    assert (outcome.code, report(outcome)) == (1, {"nothing_to_undo": 1})
    assert redriven(operator) == set()


def test_what_is_no_journal_keeps_nothing_from_the_others(six: Operator) -> None:
    """Given something else in the place of one journal, that request is left alone, and the others aren't."""
    broken: dict[str, Any] = stuck(key(4), run=2)
    del broken["attempt"]
    journals.put(six, broken)

    outcome = run("retry", "--undo", "--all", "--yes", "--json")

    assert report(outcome) == {"redriven": 1, "nothing_to_undo": 3}
    assert moved(six) == {1}


def test_many_are_looked_at(operator: Operator) -> None:
    """Given more than are looked at at once, each is redriven once, and a second run finds nothing."""
    operator.put(*(failed(index, error=STUCK_ERROR) for index in range(60)))
    journals.put(operator, *(stuck(key(index)) for index in range(60)))

    assert report(run("retry", "--undo", "--all", "--yes", "--json", "--rate", "1000")) == {"redriven": 60}
    assert redriven(operator) == set(range(60))
    assert report(run("retry", "--undo", "--all", "--yes", "--json")) == {}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--all", "--dry-run"), 0, "4 of them say that steps aren't undone: first these are undone"),
        (("--all", "--yes"), 0, "4 of them say that steps aren't undone: first these are undone"),
        (("r-001", "r-005", "--type", "orders"), 2, "1 of them says that steps aren't undone: first these are undone"),
        (("r-001", "--type", "orders", "--yes"), 0, "1 of them says that steps aren't undone: first these are undone"),
    ],
)
def test_a_plain_retry_says_what_becomes_of_steps(six: Operator, words: tuple[str, ...], code: int, says: str) -> None:
    """Given requests with steps that aren't undone among others, it says how many there are and what it does."""
    outcome = run("retry", *words)
    assert (outcome.code, says in outcome.all) == (code, True), outcome.all


def test_a_plain_retry_asks_for_a_new_run(six: Operator) -> None:
    """Given a stuck one, a plain retry has it undone, and run anew: that is what `rerun` tells."""
    outcome = run("retry", "r-001", "--type", "orders", "--yes")

    assert outcome.code == 0, outcome.all
    assert six.items()[key(1)]["rerun"] == {"N": "5"}


def test_nothing_is_undone_that_nobody_confirmed(six: Operator) -> None:
    """Given nobody to answer, exit code 2 after what would be done, and no request is touched."""
    before = six.items()
    outcome = run("retry", "--undo", "--all")
    assert outcome.code == 2
    assert "Have the steps of 2 failed requests" in outcome.all
    assert "runs anew" not in outcome.all
    assert six.items() == before
    assert run("retry", "--undo").code == 2

"""`dropslot requests show` of requests with steps, on real tables."""

import json
from typing import Any

import pytest

from tests.integration.operate import journals
from tests.integration.operate.journals import ERROR, STUCK_ERROR, run_of, step, stuck, undone
from tests.integration.operate.operator import Operator, Outcome, run
from tests.unit.core.images import ACCEPTED_AT_MS, image

KEY = "-#orders#a"


def show(*words: str) -> Outcome:
    """Show the one request of these tests."""
    outcome = run("requests", "show", "a", "--type", "orders", *words)
    assert outcome.code == 0, outcome.all
    return outcome


def runs(*words: str) -> list[dict[str, Any]]:
    """Return its runs as JSON."""
    shown: list[dict[str, Any]] = json.loads(show("--json", *words).out)["runs"]
    return shown


def test_each_run_is_told_with_each_of_its_steps(operator: Operator) -> None:
    """Given a request that was undone, retried and stuck, both runs are there with direction, end, steps and errors."""
    operator.put(image(KEY, status="failed-a", error=STUCK_ERROR, attempt=2, rerun=1))
    first = undone(KEY, step("reserve", "1", 1, undone_at=ACCEPTED_AT_MS + 9))
    # Another generation of the same id, and another request.
    others = [run_of(KEY, step("old", "1", 1), accepted_at=ACCEPTED_AT_MS - 1), stuck("-#orders#aa")]
    journals.put(operator, first, stuck(KEY, run=1, attempt=2, began=1, undo_tries=3), *others)

    told = {"result": None, "held_until": None}
    assert [told | each for each in runs()] == [
        told
        | {
            "run": 0,
            "direction": "undo",
            "closed": "undone",
            "error": ERROR,
            "began": 0,
            "attempt": 0,
            "undo_tries": 0,
            "steps": [
                {"name": "reserve", "at": ACCEPTED_AT_MS + 1000, "undone_at": ACCEPTED_AT_MS + 9, "undo_error": None}
            ],
        },
        told
        | {
            "run": 1,
            "direction": "undo",
            "closed": "stuck",
            "error": STUCK_ERROR,
            "began": 1,
            "attempt": 2,
            "undo_tries": 3,
            "steps": [
                {
                    "name": "reserve",
                    "at": ACCEPTED_AT_MS + 1000,
                    "undone_at": ACCEPTED_AT_MS + 4000,
                    "undo_error": None,
                },
                {
                    "name": "charge",
                    "at": ACCEPTED_AT_MS + 2000,
                    "undone_at": None,
                    "undo_error": "TimeoutError: the bank",
                },
            ],
        },
    ]


@pytest.mark.parametrize(("closed", "told"), [("stuck", "no, see error"), ("undone", "has no undo"), ("", "not yet")])
def test_a_step_without_a_reason(operator: Operator, closed: str, told: str) -> None:
    """Given a step that isn't undone, and no reason, then the run says whether it had to be, or where it is told."""
    operator.put(image(KEY, status="failed-a", error=STUCK_ERROR))
    ended: dict[str, Any] = {"closed": closed, "closed_by": "a1"} if closed else {}
    journals.put(operator, run_of(KEY, step("greet", "1", 1), undoing=1, error=STUCK_ERROR, **ended))
    assert next(line for line in show().out.splitlines() if line.startswith("greet")).endswith(f"  {told}")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_results_are_shown_only_when_asked_for(operator: Operator, form: tuple[str, ...]) -> None:
    """Given steps that returned what is nobody's business, it is shown with --body alone."""
    operator.put(image(KEY, status="failed-a", error=STUCK_ERROR))
    journals.put(operator, stuck(KEY))

    assert "4711" not in show(*form).all
    assert "4711" in show(*form, "--body").out


def test_a_run_under_way_tells_who_has_it(operator: Operator) -> None:
    """Given a worker at a request, its run goes forward, and it is told until when it is held."""
    operator.put(image(KEY))
    until_ms = ACCEPTED_AT_MS + 30_000
    journals.put(operator, run_of(KEY, step("reserve", "1", 1), owner="a1", lease_until=until_ms))

    (told,) = runs()
    assert (told["direction"], told["closed"], told["held_until"]) == ("forward", None, until_ms)
    assert "held until  2025-10-09 08:53:50Z" in show().out


@pytest.mark.parametrize("with_table", [True, False])
def test_a_request_without_steps_has_no_runs(operator: Operator, *, with_table: bool) -> None:
    """Given a request without a journal, or a pipeline without that table, there are no runs, and all else is shown."""
    operator.put(image(KEY))
    if with_table:
        journals.put(operator)

    assert runs() == []
    shown = show().out
    assert "run 0" not in shown
    assert "pending" in shown


def test_what_is_no_journal_is_named(operator: Operator) -> None:
    """Given something else in its place, exit code 3 and a sentence that says what to remove."""
    operator.put(image(KEY))
    broken = run_of(KEY)
    del broken["began"]
    journals.put(operator, broken)

    outcome = run("requests", "show", "a", "--type", "orders")
    assert outcome.code == 3
    assert f"{KEY}" in outcome.all
    assert "is no journal; remove it" in outcome.all

"""`dropslot retry` on a real table: those that are meant run again once, all others stay as they are."""

import json
import signal
import subprocess
import sys
from typing import Any
from unittest.mock import patch

import pytest
import typer

from dropslot.core import names
from dropslot.operate.screen import Screen
from tests.integration.operate.operator import Operator, Outcome, run
from tests.unit.core.images import ACCEPTED_AT_MS, Image, image


def failed(index: int, **attributes: Any) -> Image:
    """Return a failed request, of a series that failed a second apart."""
    return image(
        f"-#orders#r-{index:03}",
        **{
            "status": f"failed-{names.SPREAD_DIGITS[index % 16]}",
            "error": f"HTTPError: [50{index % 3}] order {index}",
            "due_at": ACCEPTED_AT_MS + index * 1000,
            "tries": 8,
            **attributes,
        },
    )


def redriven(operator: Operator) -> set[int]:
    """Return the numbers of those that are pending again."""
    items = operator.items()
    return {int(key[-3:]) for key, item in items.items() if item["attempt"] == {"N": "1"}}


def started(*words: str) -> "subprocess.Popen[bytes]":
    """Start a command as a process of its own, in the current folder."""
    command = [sys.executable, "-m", "dropslot", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def report(outcome: Outcome) -> dict[str, int]:
    """Return the counts that aren't 0."""
    counts: dict[str, int] = json.loads(outcome.out)
    return {name: number for name, number in counts.items() if number}


CHOICES: list[tuple[list[str], set[int]]] = [
    (["--all"], set(range(60))),
    (["--error", "[502]"], set(range(2, 60, 3))),
    (["--error", "HTTPError: [501]*4"], {index for index in range(1, 60, 3) if "4" in str(index)}),
    (["--error-regex", r"order [12]\d$"], set(range(10, 30))),
    (["--type", "notes"], {50, 51}),
    (["--failed-since", "2025-10-09T08:53:25Z", "--failed-until", "2025-10-09T08:53:29Z"], set(range(5, 10))),
    (["r-003", "-#orders#r-007", "--type", "orders"], {3, 7}),
    (["--error", "nothing like it"], set()),
]


@pytest.mark.parametrize(("words", "expected"), CHOICES, ids=[" ".join(words) for words, _ in CHOICES])
def test_those_that_are_meant_are_pending_again(operator: Operator, words: list[str], expected: set[int]) -> None:
    """Given a choice, a dry run counts it and changes nothing, a run redrives it, a second finds nothing."""
    operator.put(*(failed(index, type="notes" if index in {50, 51} else "orders") for index in range(60)))
    before = operator.items()

    dry = run("retry", *words, "--dry-run", "--json")
    assert dry.code == 0
    assert json.loads(dry.out)["failed"] == len(expected)
    assert operator.items() == before

    first = run("retry", *words, "--yes", "--json", "--rate", "1000")
    assert first.code == 0, first.all
    assert report(first) == ({"redriven": len(expected)} if expected else {})
    assert redriven(operator) == expected
    assert {key: item for key, item in operator.items().items() if int(key[-3:]) not in expected} == {
        key: item for key, item in before.items() if int(key[-3:]) not in expected
    }


def test_a_redriven_one_is_as_the_table_of_transitions_says(operator: Operator) -> None:
    """Given a failed request, it is pending with the next attempt and a fresh schedule, its error is kept."""
    operator.put(failed(1, starts=2))
    assert run("retry", "--all", "--yes").code == 0
    item = operator.items()["-#orders#r-001"]
    due_at = int(item.pop("due_at")["N"])
    error = "HTTPError: [501] order 1"
    expected = image("-#orders#r-001", status="pending-1", attempt=1, rerun=1, last_error=error, due_at=None)
    assert item == expected
    assert due_at > ACCEPTED_AT_MS


def test_what_is_not_failed_is_named_and_left(operator: Operator) -> None:
    """Given ids of a done, a pending and an unknown request beside a failed one, only that is redriven."""
    others = [image("-#orders#done", status="done-a", ttl=2_000_000_000), image("-#orders#pending")]
    operator.put(failed(1), *others)

    outcome = run("retry", "r-001", "done", "pending", "none", "--type", "orders", "--yes", "--json")

    assert outcome.code == 1
    assert report(outcome) == {"redriven": 1, "not_failed": 3}
    assert "-#orders#done is done, not failed" in outcome.all
    assert "there is no request -#orders#none" in outcome.all
    items = operator.items()
    assert [items[item["id"]["S"]] for item in others] == others


@pytest.mark.parametrize(("terminal", "code", "expected"), [(True, 0, {"redriven": 4}), (False, 2, None)])
def test_json_holds_nothing_but_results(
    operator: Operator, *, terminal: bool, code: int, expected: dict[str, int] | None
) -> None:
    """Given --json and a question, what is asked about is shown beside the results, also if nobody answers."""
    operator.put(*(failed(index) for index in range(4)))
    with patch.object(Screen, "can_ask", lambda _: terminal), patch.object(typer, "confirm", lambda *_, **__: True):
        outcome = run("retry", "--all", "--json")

    assert outcome.code == code, outcome.all
    assert (report(outcome) if outcome.out else None) == expected
    assert "4 failed requests: orders 4" in outcome.all
    assert "HTTPError: [502] order 2" in outcome.all


def test_two_operators_at_once_redrive_each_once(operator: Operator) -> None:
    """Given two runs over the same 300 requests, each request gets one attempt more, and the reports add up."""
    operator.put(*(failed(index) for index in range(300)))
    words = ("retry", "--all", "--yes", "--json", "--rate", "10000")

    with started(*words) as other:
        mine = run(*words)
        theirs = json.loads(other.communicate()[0])

    assert {item["attempt"]["N"] for item in operator.items().values()} == {"1"}
    assert json.loads(mine.out)["redriven"] + theirs["redriven"] == 300
    assert mine.code in {0, 1}
    assert other.returncode in {0, 1}


def test_after_ctrl_c_the_next_run_goes_on(operator: Operator) -> None:
    """Given a run that is stopped, its report tells what it did; the next one does the rest, and nothing twice."""
    operator.put(*(failed(index) for index in range(100)))

    with started("retry", "--all", "--yes", "--json", "--rate", "20") as process:
        while not redriven(operator):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        first = json.loads(process.communicate()[0])["redriven"]

    assert process.returncode == 130
    assert first == len(redriven(operator))
    assert 0 < first < 100
    assert report(run("retry", "--all", "--yes", "--json", "--rate", "1000")) == {"redriven": 100 - first}
    assert redriven(operator) == set(range(100))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "say which"),
        (["--error", "", "--yes"], "an empty error matches every one"),
        (["--error", "x", "--error-regex", "x"], "not both"),
        (["r-1", "--type", "orders", "--all"], "ids go without"),
        (["r-1"], "give its --type"),
        (["--all", "--failed-since", "soon"], "'soon' is no time"),
        (["--error-regex", "("], "is no regular expression"),
        (["--all", "--dryrun"], "ids go without"),
    ],
)
def test_what_was_not_said_clearly_does_nothing(operator: Operator, words: list[str], says: str) -> None:
    """Given a choice that could mean something else, exit code 2 and a sentence, and no request is touched."""
    operator.put(failed(1))
    outcome = run("retry", *words)
    assert outcome.code == 2
    assert says in outcome.all
    assert redriven(operator) == set()

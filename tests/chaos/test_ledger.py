"""The ledger finds what it is there to find: each kind of broken promise, planted in books that were clean."""

from collections.abc import Callable
from typing import Any

import pytest

from dropslot.core import names
from dropslot.core.policy import KILLED_ITS_WORKER
from tests.chaos.ledger import audit
from tests.chaos.workload import ordinary

TASK = ordinary(1, 1)[0]
KEY = {names.ID: {"S": TASK.item_id}}
Event = dict[str, Any]


def test_clean_books_have_no_fault() -> None:
    """Given a request that was accepted, run and done, when the books are compared, then they agree."""
    ledger = _audit(_feed())

    ledger.assert_clean()
    assert (ledger.requests, ledger.lost, ledger.redrives, ledger.runs_per_request) == (1, 0, 0, 1.0)


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (lambda feed: feed.insert(1, feed[0]), "2 INSERTs"),
        (lambda feed: feed.append(_change(_done(0), _done(0) | {names.TTL: {"N": "9"}})), "its outcome was replaced"),
        (lambda feed: feed.append(_change(_done(1), _pending(0))), "attempt fell from 1 to 0"),
        (lambda feed: feed.append({"eventName": "REMOVE", "dynamodb": {"Keys": KEY}}), "deleted"),
        (lambda feed: feed.insert(1, _change(_pending(0), _done(0))), "2 outcomes at attempt 0"),
    ],
    ids=["two-inserts", "outcome-replaced", "attempt-fell", "removed", "two-outcomes"],
)
def test_a_broken_promise_in_the_feed_is_found(plant: Callable[[list[Event]], object], words: str) -> None:
    """Given a feed with something that may not be, when the books are compared, then the fault says what."""
    feed = _feed()
    plant(feed)

    assert any(words in fault for fault in _audit(feed).faults)


def test_a_lost_request_a_stuck_one_and_a_ghost_are_found() -> None:
    """Given a table that lacks a request, holds it unsettled or holds another, then the books say so."""
    assert _audit(_feed(), items=[]).lost == 1
    assert _audit(_feed()[:1], items=[_pending(0)]).lost == 1
    ghost = {names.ID: {"S": "ghost"}, names.TTL: {"N": "1"}}
    assert any("nobody sent it" in fault for fault in _audit(_feed(), items=[_done(0), ghost]).faults)


@pytest.mark.parametrize(("runs", "least_deaths", "blamed"), [(2, 3, 0), (3, 3, 1), (1, 2, 0), (2, 2, 1)])
def test_only_who_was_run_often_enough_may_be_blamed(runs: int, least_deaths: int, blamed: int) -> None:
    """Given an innocent request failed as a killer, then that is wrong, unless others killed its process that often."""
    failed = _pending(0) | {
        names.STATUS: {"S": "failed-0"},
        names.QUEUE: {"S": "failed-0"},
        names.ERROR: {"S": KILLED_ITS_WORKER},
    }

    ledger = _audit([_feed()[0], _change(_pending(0), failed)], items=[failed], runs=runs, least_deaths=least_deaths)

    assert (ledger.blamed, ledger.wrong) == (blamed, 1 - blamed)


def _audit(feed: list[Event], items: list[Event] | None = None, runs: int = 1, least_deaths: int = 3) -> Any:
    books = {TASK.item_id: TASK}
    items = items if items is not None else [_done(0)]
    return audit(
        accepted=books,
        offered=books,
        items=items,
        feed=feed,
        runs={TASK.item_id: [0] * runs},
        least_deaths=least_deaths,
    )


def _feed() -> list[Event]:
    insert = {"eventName": "INSERT", "dynamodb": {"Keys": KEY, "NewImage": _pending(0)}}
    return [insert, _change(_pending(0), _done(0))]


def _change(old: Event, new: Event) -> Event:
    return {"eventName": "MODIFY", "dynamodb": {"Keys": KEY, "OldImage": old, "NewImage": new}}


def _pending(attempt: int) -> Event:
    status = {"S": "pending-0"}
    return KEY | {
        names.REQUEST: {"S": TASK.body},
        names.ATTEMPT: {"N": str(attempt)},
        names.STATUS: status,
        names.QUEUE: status,
    }


def _done(attempt: int) -> Event:
    done = _pending(attempt) | {names.STATUS: {"S": "done-0"}, names.TTL: {"N": "1"}}
    del done[names.QUEUE]
    return done

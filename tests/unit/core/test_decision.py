"""Deciding what a change record asks for."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import Item, state_from
from dropslot.core import names
from dropslot.core.change import Change, Removed, parse
from dropslot.core.decision import Decision, decide, decide_present, needs_read
from dropslot.core.item import Unfinished
from dropslot.core.policy import Done, Failed, Outcome, Waiting
from dropslot.core.transitions import redrive, settle
from tests.unit.core.images import TABLE, data, image, parsed, record, state

PENDING_RUNS = {
    ("INSERT", None, 0): Decision.RUN,
    ("INSERT", None, 3): Decision.RUN,
    ("MODIFY", 0, 1): Decision.RUN,
    ("MODIFY", 1, 3): Decision.RUN,
    ("MODIFY", 0, 0): Decision.OUR_WRITE,
    ("MODIFY", 2, 1): Decision.OUR_WRITE,
}


@pytest.mark.parametrize(("case", "expected"), PENDING_RUNS.items())
@pytest.mark.parametrize("status", [names.PENDING, names.WAITING, names.FAILED, names.DONE])
@pytest.mark.parametrize("outcome", [None, names.TTL, names.ERROR])
def test_only_an_unsettled_pending_insert_or_redrive_runs(
    case: tuple[str, int | None, int], expected: Decision, status: str, outcome: str | None
) -> None:
    """Event x attempt x status x outcome: everything but INSERT and a grown attempt of a pending image is ignored."""
    event, before, attempt = case
    new = image(attempt=attempt, status=f"{status}-a", **({} if outcome is None else {outcome: 5}))
    change = parsed(new, image(attempt=before) if before is not None else None, event=event)
    if status != names.PENDING or outcome is not None:
        expected = Decision.NOT_PENDING
    assert decide(change) is expected


def test_a_delete_is_ignored() -> None:
    """TTL's deletes, and anybody else's."""
    assert decide(Removed()) is Decision.REMOVED


def test_a_modify_without_old_image_is_left_to_the_read() -> None:
    """Given a stream that carries no old images, then a pending MODIFY runs: better twice than never."""
    assert decide(parsed(image(attempt=1), None, event="MODIFY")) is Decision.RUN


PRESENT = {
    "not there": (None, Decision.GONE),
    "next generation": (state(accepted_at=5), Decision.GONE),
    "next generation, done": (state(accepted_at=5, status="done", settled=True), Decision.GONE),
    "pending": (state(), Decision.RUN),
    "pending at a later attempt": (state(attempt=4), Decision.RUN),
    "pending with an outcome": (state(settled=True), Decision.SETTLED),
    "done": (state(status="done", settled=True), Decision.SETTLED),
    "done whose ttl somebody removed": (state(status="done"), Decision.SETTLED),
    "failed": (state(status="failed", settled=True), Decision.SETTLED),
    "failed whose error somebody removed": (state(status="failed"), Decision.SETTLED),
    "waiting": (state(status="waiting", tries=1), Decision.WAITING),
    "waiting with an outcome": (state(status="waiting", settled=True), Decision.SETTLED),
}


@pytest.mark.parametrize("case", PRESENT)
def test_the_item_as_it_stands_decides_again(case: str) -> None:
    """Run only if the item is there, of the same generation, and pending."""
    present, expected = PRESENT[case]
    assert decide_present(state(), present) is expected


@pytest.mark.parametrize(
    ("created", "arrived", "now", "up_since", "expected"),
    [
        (1_000, 1_100, 1_200, 500, False),
        (1_000, 1_100, 1_200, 1_100, False),
        (1_000, 1_100, 1_200, 1_101, True),
        (1_000, 1_100, 6_000, 500, False),
        (1_000, 1_100, 6_001, 500, True),
        (9_000, 9_100, 6_000, 500, False),
        (1_000, 900_000, 900_001, 500, True),
    ],
)
def test_only_what_is_young_and_arrived_since_the_start_runs_unread(
    created: int, arrived: int, now: int, up_since: int, *, expected: bool
) -> None:
    """Every other record may have been run by somebody before."""
    assert (
        needs_read(
            attempt=0,
            created_epoch_ms=created,
            arrived_epoch_ms=arrived,
            now_epoch_ms=now,
            up_since_epoch_ms=up_since,
            fresh_ms=5_000,
        )
        is expected
    )


def test_a_redrive_is_always_read() -> None:
    """However young: the request may have been settled after the sweep redrove it."""
    young = {"created_epoch_ms": 1_000, "arrived_epoch_ms": 1_100, "now_epoch_ms": 1_200, "up_since_epoch_ms": 500}
    assert needs_read(attempt=1, fresh_ms=5_000, **young)


OUTCOME = st.one_of(
    st.builds(Done, st.none() | st.just('{"a":1}')),
    st.builds(Failed, st.text(max_size=5)),
    st.builds(Waiting, st.text(max_size=5), st.integers(0, 10**9)),
)


@given(st.lists(st.tuples(OUTCOME, st.booleans()), max_size=8))
def test_no_write_back_causes_a_run(moves: list[tuple[Outcome, bool]]) -> None:
    """Given any run of transitions, when the records they make are fed back, then only redrives run anything.

    Each move settles the request, or first redrives it; its own MODIFY goes through `parse` and `decide`.
    """
    feed: list[tuple[Item | None, Item | None]] = []
    table = MemoryRequests(on_change=lambda old, new: feed.append((old, new)))
    table.put(image())

    async def play() -> None:
        for now_ms, (outcome, redriven) in enumerate(moves, 10**12):
            present = state_from(table.items["caller#one"])
            assert present is not None
            if redriven:
                due_at = int(table.items["caller#one"]["due_at"]["N"])
                await table.write([redrive(Unfinished(state=present, due_at=due_at), due_at=now_ms)])
            else:
                await table.write([settle(present, outcome, now_ms=now_ms, ttl_seconds=5)])

    asyncio.run(play())
    for old, new in feed:
        assert new is not None
        change = parse(data(record(new, old)), TABLE)
        assert isinstance(change, Change)
        grew = old is None or int(new["attempt"]["N"]) > int(old["attempt"]["N"])
        assert (decide(change) is Decision.RUN) is grew

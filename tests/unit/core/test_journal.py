"""Who may go on with a request's steps."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot.core import names
from dropslot.core.item import State
from dropslot.core.journal import DONE, FAILED, STUCK, UNDONE, Claim, Entry, Key, Step, decide_claim
from tests.unit.core.images import ACCEPTED_AT_MS, state

NOW_MS: Final = ACCEPTED_AT_MS + 60_000
KEY: Final = Key(id="caller#orders#one", accepted_at=ACCEPTED_AT_MS, run=0)


def entry(**fields: Any) -> Entry:
    """Return a journal that nobody holds, begun and claimed by attempt 2."""
    return Entry(**{"key": KEY, "attempt": 2, "began": 2, **fields})


HELD: Final = {"owner": "a1", "lease_until": NOW_MS + 1}
LAPSED: Final = {"owner": "a1", "lease_until": NOW_MS}

CLAIMS: Final[dict[str, tuple[dict[str, Any], dict[str, Any], Claim]]] = {
    # journal, request, claim
    "nobody has it": ({}, {"attempt": 2}, Claim.TAKE),
    "nobody has it, a later attempt": ({}, {"attempt": 3}, Claim.TAKE),
    "it is held": (HELD, {"attempt": 2}, Claim.HELD),
    "it is held, a later attempt": (HELD, {"attempt": 3}, Claim.HELD),
    "its lease is over": (LAPSED, {"attempt": 2}, Claim.TAKE),
    "it is being undone": ({"undoing": True}, {"attempt": 2}, Claim.TAKE),
    "it is being undone, after a retry": ({"undoing": True}, {"attempt": 3, "rerun": 3}, Claim.TAKE),
    "a later attempt had it": ({}, {"attempt": 1}, Claim.OVERTAKEN),
    "a later attempt has it": (HELD, {"attempt": 1}, Claim.OVERTAKEN),
    "a later attempt closed it": ({"closed": DONE}, {"attempt": 1}, Claim.OVERTAKEN),
    "done": ({"closed": DONE}, {"attempt": 2}, Claim.CLOSED),
    "done, a later attempt": ({"closed": DONE}, {"attempt": 3}, Claim.CLOSED),
    "done, after a retry": ({"closed": DONE}, {"attempt": 3, "rerun": 3}, Claim.CLOSED),
    "done, forced": ({"closed": DONE}, {"attempt": 3, "floor": 3}, Claim.NEXT_RUN),
    "done, forced before it began": ({"closed": DONE}, {"attempt": 2, "floor": 2}, Claim.CLOSED),
    "failed": ({"closed": FAILED}, {"attempt": 2}, Claim.CLOSED),
    "failed, a later attempt": ({"closed": FAILED}, {"attempt": 3}, Claim.CLOSED),
    "failed, after a retry before it": ({"closed": FAILED}, {"attempt": 3, "rerun": 2}, Claim.CLOSED),
    "failed, after a retry": ({"closed": FAILED}, {"attempt": 3, "rerun": 3}, Claim.TAKE),
    "failed, forced": ({"closed": FAILED}, {"attempt": 3, "floor": 3}, Claim.NEXT_RUN),
    "failed, a later attempt closed it": ({"closed": FAILED}, {"attempt": 1}, Claim.OVERTAKEN),
    "undone": ({"closed": UNDONE}, {"attempt": 2}, Claim.CLOSED),
    "undone, swept": ({"closed": UNDONE}, {"attempt": 3}, Claim.CLOSED),
    "undone, after a retry": ({"closed": UNDONE}, {"attempt": 3, "rerun": 3}, Claim.NEXT_RUN),
    "undone, retried and swept": ({"closed": UNDONE}, {"attempt": 4, "rerun": 3}, Claim.NEXT_RUN),
    "undone, retried before it began": ({"closed": UNDONE}, {"attempt": 3, "rerun": 2}, Claim.CLOSED),
    "undone, forced": ({"closed": UNDONE}, {"attempt": 3, "floor": 3}, Claim.NEXT_RUN),
    "stuck": ({"closed": STUCK}, {"attempt": 2}, Claim.CLOSED),
    "stuck, to be undone": ({"closed": STUCK}, {"attempt": 3}, Claim.TAKE),
    "stuck, after a retry": ({"closed": STUCK}, {"attempt": 3, "rerun": 3}, Claim.TAKE),
    "stuck, forced": ({"closed": STUCK}, {"attempt": 3, "floor": 3}, Claim.NEXT_RUN),
    "held, forced": (HELD, {"attempt": 3, "floor": 3}, Claim.NEXT_RUN),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_each_state_has_its_claim(case: str) -> None:
    """Given a journal and a request, then what a worker may do follows."""
    journal, request, claim = CLAIMS[case]
    assert decide_claim(entry(**journal), state(**request), now_ms=NOW_MS) is claim


@st.composite
def journals(draw: st.DrawFn) -> Entry:
    """Draw any journal that writes can make."""
    began = draw(st.integers(0, 4))
    closed = draw(st.sampled_from(["", "", DONE, FAILED, UNDONE, STUCK]))
    held = not closed and draw(st.booleans())
    return entry(
        began=began,
        attempt=began + draw(st.integers(0, 3)),
        owner="a1" if held else "",
        lease_until=NOW_MS + draw(st.integers(-2, 2)) if held else 0,
        undoing=closed in (UNDONE, STUCK) or (not closed and draw(st.booleans())),
        closed=closed,
    )


@st.composite
def requests(draw: st.DrawFn) -> State:
    """Draw any request that is to be run: neither `floor` nor `rerun` is ever above its attempt."""
    attempt = draw(st.integers(0, 8))
    return state(attempt=attempt, floor=draw(st.integers(0, attempt)), rerun=draw(st.integers(0, attempt)))


@given(journals(), requests())
def test_a_live_lease_is_never_taken(journal: Entry, request: State) -> None:
    """Given a journal that somebody holds, then nobody takes it before its lease is over."""
    if journal.owner and journal.lease_until > NOW_MS:
        assert decide_claim(journal, request, now_ms=NOW_MS) is not Claim.TAKE


@given(journals(), requests())
def test_an_earlier_attempt_takes_nothing(journal: Entry, request: State) -> None:
    """Given a journal that a later attempt has claimed, then an earlier one neither takes it nor writes its outcome."""
    if journal.attempt > request.attempt:
        assert decide_claim(journal, request, now_ms=NOW_MS) in (Claim.OVERTAKEN, Claim.NEXT_RUN)


@given(journals(), requests())
def test_what_is_done_stays_done_unless_it_is_forced(journal: Entry, request: State) -> None:
    """Given a run that is done, then only a forced redrive after it began sets it aside."""
    if journal.closed == DONE and request.attempt >= journal.attempt:
        claim = decide_claim(journal, request, now_ms=NOW_MS)
        assert claim is (Claim.NEXT_RUN if request.floor > journal.began else Claim.CLOSED)


@given(journals(), requests())
def test_only_what_is_over_is_set_aside_by_a_retry(journal: Entry, request: State) -> None:
    """Given no forced redrive, then a next run begins only when nothing of the one before is left, and if asked for."""
    if request.floor == 0 and decide_claim(journal, request, now_ms=NOW_MS) is Claim.NEXT_RUN:
        assert journal.closed == UNDONE
        assert request.rerun > journal.began


@given(journals(), requests())
def test_nobody_asks_for_ever(journal: Entry, request: State) -> None:
    """Given a run that this attempt begins after one that was set aside, then that one is not set aside for it, too."""
    if decide_claim(journal, request, now_ms=NOW_MS) is Claim.NEXT_RUN:
        following = entry(began=request.attempt, attempt=request.attempt)
        assert decide_claim(following, request, now_ms=NOW_MS) is Claim.TAKE


@given(journals(), requests())
def test_in_the_end_somebody_goes_on(journal: Entry, request: State) -> None:
    """Given any journal that no later attempt has, then once its lease is over nobody is told to wait."""
    late = decide_claim(journal, request, now_ms=NOW_MS + 10)
    assert late is not Claim.HELD
    if request.attempt >= journal.attempt:
        assert late is not Claim.OVERTAKEN


def test_sort_keys_put_the_newest_last() -> None:
    """Given runs of several generations, then their keys sort by generation, and then by run."""
    keys = [
        Key(id="c", accepted_at=accepted_at, run=run)
        for accepted_at in (ACCEPTED_AT_MS, ACCEPTED_AT_MS + 1)
        for run in (0, 1, 9, 10, 99, 100, 9_999)
    ]
    assert sorted(keys, key=lambda key: key.sort) == keys
    assert [key.sort for key in keys[:2]] == [f"{ACCEPTED_AT_MS}#0000", f"{ACCEPTED_AT_MS}#0001"]
    assert all(key.sort == names.run_key(key.accepted_at, key.run) for key in keys)


def test_step_keys_tell_apart_what_is_done_from_what_is_done_anew() -> None:
    """Given steps of two runs, and their undos, then each has a key of its own, which begins with the request's."""
    again = Key(id=KEY.id, accepted_at=KEY.accepted_at, run=1)
    made = [key.step_key(name, undo=undo) for key in (KEY, again) for name in ("pay", "ship") for undo in (False, True)]
    assert len(set(made)) == 8
    assert made[:2] == [f"caller#orders#one#{ACCEPTED_AT_MS}#0#pay", f"caller#orders#one#{ACCEPTED_AT_MS}#0#pay#undo"]
    assert again.step_key("pay") == f"{names.journal_id(KEY.id, ACCEPTED_AT_MS, 1)}#pay"


def test_a_step_says_nothing_of_an_undo_that_has_not_been() -> None:
    """Given a finished step, then it is neither undone nor is there a reason why not."""
    step = Step(name="pay", result="1", at=5)
    assert (step.undone_at, step.undo_error) == (0, "")

"""`dropslot retry --undo` as it writes it, met by the engine: what is left is undone, and nothing runs anew."""

import pytest

from dropslot import Reject, RetryLater
from dropslot.core.journal import DONE, STUCK, UNDONE
from dropslot.core.policy import Policy
from dropslot.operate.row import Row
from dropslot.operate.undoing import NotUndone
from tests.unit.engine.doubles import asynchronous
from tests.unit.engine.steps.stepped import Shop, StepBench, raiser
from tests.unit.operate.test_undoing import Journals, Meant

REFUSED = [ValueError("refund refused")] * 3


async def retry_undo(bench: StepBench) -> str:
    """Do what the command does with the one request; return its status then."""
    row = Row.from_item(bench.item())
    assert row is not None
    meant = NotUndone(Meant(row), Journals(bench.entry))
    for stuck in meant.rows():
        await bench.table.write([meant.redrive(stuck).change(bench.clock.now_ms())])  # type: ignore[list-item]
    return await bench.go()


@asynchronous
async def test_a_wish_of_an_earlier_retry_is_forgotten() -> None:
    """Given a retry that came no further than a refused undo, then `--undo` undoes it, and the order isn't made again.

    A retry after that makes it again, as the operator asks for.
    """
    shop = Shop()
    shop.fails("undo a", *REFUSED * 2)
    bench = StepBench(shop.order("a", then=raiser(Reject("sold out"))))
    assert await bench.accepted() == "failed"
    assert await bench.retry() == "failed"
    assert bench.entry.closed == STUCK

    assert await retry_undo(bench) == "failed"

    assert (bench.entry.closed, bench.error()) == (UNDONE, "sold out")
    assert await bench.sweep() == "failed"
    assert [entry.key.run for entry in bench.entries] == [0]
    assert shop.calls.count("a") == 1
    assert await bench.retry() == "done"
    assert [entry.closed for entry in bench.entries] == [UNDONE, DONE]


@asynchronous
async def test_a_later_run_is_found_behind_those_before_it() -> None:
    """Given a second run that is stuck behind one that was undone, then that one is undone, and there is no third."""
    shop = Shop()
    bench = StepBench(shop.order("a", then=raiser(*[Reject("sold out")] * 2)))
    assert await bench.accepted() == "failed"
    shop.fails("undo a", *REFUSED)
    assert await bench.retry() == "failed"
    assert [entry.closed for entry in bench.entries] == [UNDONE, STUCK]

    assert await retry_undo(bench) == "failed"

    assert [entry.closed for entry in bench.entries] == [UNDONE, UNDONE]
    assert bench.error() == "sold out"


@pytest.mark.parametrize("long", ["x" * 2_000, "ü" * 2_000])
@asynchronous
async def test_it_is_found_whatever_the_handler_raised(long: str) -> None:
    """Given an error that fills all of its room, then it still tells that something is left."""
    shop = Shop()
    shop.fails("undo a", *REFUSED)
    bench = StepBench(shop.order("a", then=raiser(Reject(long))))
    assert await bench.accepted() == "failed"
    assert bench.error().endswith("; not undone: a (ValueError: refund refused)")

    assert await retry_undo(bench) == "failed"

    assert bench.entry.closed == UNDONE
    assert "not undone" not in bench.error()


@asynchronous
async def test_the_retry_schedule_is_a_fresh_one() -> None:
    """Given an undo whose schedule is used up, then it has all of it again."""
    shop = Shop()
    shop.fails("undo a", *[RetryLater("closed")] * 3)
    policy = Policy(retry_schedule_seconds=(5,))
    bench = StepBench(shop.order("a", then=raiser(*[Reject("sold out")] * 9)), policy=policy)
    assert await bench.accepted() == "waiting"
    assert await bench.sweep(6) == "failed"
    assert bench.entry.closed == STUCK

    assert await retry_undo(bench) == "waiting"
    assert await bench.sweep(6) == "failed"

    assert bench.entry.closed == UNDONE

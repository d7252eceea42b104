"""What an operator forces, on every side of the table: the twin, and both ways to the real one."""

import asyncio

import pytest

from dropslot.adapters.wire.item_size import ITEM_MAX_BYTES
from dropslot.core.errors import TransientError
from dropslot.core.item import Accepted
from dropslot.core.policy import Done
from dropslot.core.transitions import Insert, force, restore, settle
from dropslot.engine.ports import WriteResult
from tests.contract.requests.conftest import Port, Table
from tests.unit.core.images import ACCEPTED_AT_MS, image, state

NOW_MS = ACCEPTED_AT_MS + 5


def accepted(request_id: str = "caller#one", **fields: object) -> Accepted:
    """Return the request as a change record shows it."""
    values: dict[str, object] = {
        "body": 'it\'s "quoted" \\ ` é🙂\u2028\x00 ? ; -- $x',
        "encoding": "",
        "headers": {"X-Quoted": 'it\'s ? "x"', "Traceparent": "00-1"},
        **fields,
    }
    return Accepted(
        id=request_id,
        accepted_at=ACCEPTED_AT_MS,
        type="orders",
        content_type="application/json",
        **values,  # type: ignore[arg-type]
    )


def insert(request: Accepted, attempt: int = 2) -> Insert:
    """Return the write that brings it back."""
    return restore(request, digit="a", attempt=attempt, now_ms=NOW_MS)


def test_a_done_request_is_forced_once(table: Table) -> None:
    """Given a done request and two operators, one forces it, the other is refused."""
    table.put(image(status="done-a", ttl=99, result="[1]", attempt=3, tries=2, starts=1))
    write = force(state(status="done", attempt=3, tries=2, settled=True), ttl=99, now_ms=NOW_MS)

    async def twice() -> list[WriteResult]:
        return [await table.write(write), await table.write(write)]

    assert asyncio.run(twice()) == [WriteResult.APPLIED, WriteResult.REFUSED]
    assert table.get("caller#one") == image(attempt=4, floor=4, tries=0, due_at=NOW_MS)


def test_the_success_of_an_older_run_does_not_count_for_a_forced_one(table: Table) -> None:
    """Given a forced request, a late success of an attempt before it is refused, and its own is taken."""
    table.put(image(status="done-a", ttl=99, attempt=3))

    async def race() -> list[WriteResult]:
        return [
            await table.write(force(state(status="done", attempt=3), ttl=99, now_ms=NOW_MS)),
            await table.write(settle(state(attempt=3), Done("[1]"), now_ms=NOW_MS, ttl_seconds=5)),
            await table.write(settle(state(attempt=4), Done("[2]"), now_ms=NOW_MS, ttl_seconds=5)),
        ]

    assert asyncio.run(race()) == [WriteResult.APPLIED, WriteResult.REFUSED, WriteResult.APPLIED]


@pytest.mark.parametrize("headers", [{}, {"X-Quoted": 'it\'s ? "x"', "Traceparent": "00-1"}], ids=["none", "some"])
def test_a_gone_request_comes_back_whole(table: Table, headers: dict[str, str]) -> None:
    """Given no item, then all that the client sent is there again, byte for byte, pending."""
    request = accepted(headers=headers)

    assert asyncio.run(table.restore(insert(request))) is WriteResult.APPLIED
    expected = image(request=request.body, attempt=3, floor=3, due_at=NOW_MS)
    expected["headers"] = {"M": {name: {"S": value} for name, value in headers.items()}}
    assert table.get("caller#one") == expected


def test_a_restored_request_can_be_found_and_settled(table: Table) -> None:
    """Given a request that was brought back, the index shows it, and only its new attempt settles it."""

    async def live() -> list[WriteResult]:
        await table.restore(insert(accepted()))
        (row,) = await table.requests.unfinished("pending-a", due_before_ms=NOW_MS, limit=5)
        late = settle(state(attempt=2), Done(None), now_ms=NOW_MS, ttl_seconds=5)
        return [await table.write(late), await table.write(settle(row.state, Done(None), now_ms=9, ttl_seconds=5))]

    assert asyncio.run(live()) == [WriteResult.REFUSED, WriteResult.APPLIED]


def test_an_item_that_is_there_is_never_replaced(table: Table) -> None:
    """Given items with the same keys, expired, of another generation or no request at all, each stays as it is."""
    present = [
        image("caller#1", status="done-a", ttl=5),
        image("caller#2", accepted_at=ACCEPTED_AT_MS + 1),
        {"id": {"S": "caller#3"}, "paused_at": {"N": "1"}},
    ]
    for item in present:
        table.put(item)

    async def make() -> list[WriteResult]:
        return list(await table.requests.restore([insert(accepted(f"caller#{n}")) for n in (1, 2, 3, 4)]))

    assert asyncio.run(make()) == [WriteResult.REFUSED] * 3 + [WriteResult.APPLIED]
    assert [table.get(f"caller#{n}") for n in (1, 2, 3)] == present


def test_an_item_too_large_is_told(table: Table) -> None:
    """Given an image that no item can have, then it alone is refused, for its size."""
    large, small = accepted("caller#1", body="x" * ITEM_MAX_BYTES), accepted("caller#2")

    async def make() -> list[WriteResult]:
        return list(await table.requests.restore([insert(large), insert(small)]))

    assert asyncio.run(make()) == [WriteResult.TOO_LARGE, WriteResult.APPLIED]


def test_a_batch_holds_each_id_once_and_no_more_than_it_can(table: Table) -> None:
    """Given a batch that breaks the port's rule, then nothing of it is made."""
    twice = [insert(accepted("caller#1")), insert(accepted("caller#1"))]
    many = [insert(accepted(f"caller#{n}")) for n in range(table.requests.max_batch + 1)]

    for batch in (twice, many):
        with pytest.raises(ValueError, match="each for another id"):
            asyncio.run(table.requests.restore(batch))
    assert asyncio.run(table.requests.restore([])) == []
    assert table.get("caller#1") is None


def test_a_missing_table_leaves_it_open(missing: Port) -> None:
    """Given a table that isn't there, then the insert can be made again."""
    assert asyncio.run(missing.restore([insert(accepted())])) == [WriteResult.RETRY]


def test_a_table_out_of_reach_is_told(unreachable: Port) -> None:
    """Given no answer at all, the call says so, and no result is made up."""
    with pytest.raises(TransientError):
        asyncio.run(unreachable.restore([insert(accepted())]))

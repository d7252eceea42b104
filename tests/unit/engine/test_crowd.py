"""Many small things at once."""

import asyncio

import pytest

from dropslot.engine.crowd import each
from tests.unit.engine.doubles import asynchronous, settle


@asynchronous
async def test_each_is_done_and_no_more_than_some_at_a_time() -> None:
    """Given ten things, three at a time, then all are done, in their order, and never were there four."""
    begun: list[int] = []
    under_way = most = 0

    async def do(item: int) -> None:
        nonlocal under_way, most
        begun.append(item)
        under_way += 1
        most = max(most, under_way)
        await settle(2)
        under_way -= 1

    assert await each(range(10), do, at_once=3, seconds=10)
    assert begun == list(range(10))
    assert most == 3


@asynchronous
async def test_one_that_hangs_holds_up_no_other_but_is_given_up() -> None:
    """Given one that never ends, then all others are done, and it is cancelled when the time is over."""
    done: list[int] = []
    cancelled: list[int] = []

    async def do(item: int) -> None:
        if item == 0:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(item)
                raise
        done.append(item)

    assert not await each(range(5), do, at_once=2, seconds=0.02)
    assert (done, cancelled) == ([1, 2, 3, 4], [0])


@asynchronous
async def test_nothing_is_done_at_once() -> None:
    """Given no items, then it ends."""

    async def do(_: int) -> None:
        raise AssertionError

    assert await each([], do, at_once=3, seconds=0)


@asynchronous
async def test_what_is_raised_ends_it() -> None:
    """Given one that raises, even a time-out of its own, then that isn't taken for the limit's."""

    async def do(_: int) -> None:
        raise TimeoutError("its own")

    with pytest.raises(ExceptionGroup) as raised:
        await each([1], do, at_once=1, seconds=10)
    assert raised.group_contains(TimeoutError, match="its own")

"""Many small things at once: some at a time, and all of them for a limited time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def each(items: Sequence[T], do: Callable[[T], Awaitable[None]], *, at_once: int, seconds: float) -> bool:
    """Do something with each item, begun in their order.

    Args:
        items: any number.
        do: what is done.
        at_once: how many are under way at most.
        seconds: after these the rest is left, and what is under way is cancelled.

    Returns:
        Whether all came to an end.

    Raises:
        ExceptionGroup: something was raised; the rest is left, too.
    """
    left = iter(items)

    async def work() -> None:
        for item in left:
            await do(item)

    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(items))):
                group.create_task(work())
    except TimeoutError:  # the limit's own: what `do` raises comes in a group
        return False
    return True

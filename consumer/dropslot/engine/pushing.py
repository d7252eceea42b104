"""Many frames to many connections: nobody waits for a slow one for long."""

import asyncio
from collections.abc import Sequence
from typing import Final

from dropslot.engine.feedback_ports import Pusher
from dropslot.engine.ports import Counters
from dropslot.engine.push_order import Push, PushOrder

#: Each costs a connection, and on a small function's share of a core a handshake of some milliseconds.
PUSHES_AT_ONCE: Final = 32
#: What is not sent by then is dropped: whoever still waits asks.
PUSHES_SECONDS: Final = 10.0

#: Counts what the limit dropped.
DROPPED: Final = "push_dropped"


async def push_all(
    pusher: Pusher, pushes: Sequence[Push], counters: Counters, *, seconds: float = PUSHES_SECONDS
) -> frozenset[str]:
    """Push frames, in the order of `PushOrder`, and count what became of them.

    Args:
        pusher: sends them.
        pushes: any number.
        counters: `Delivery`'s values, and `DROPPED`.
        seconds: limit of them all together.

    Returns:
        The connections that are gone.
    """
    order = PushOrder(pushes)
    under_way = ended = 0
    room = asyncio.Event()

    async def push(one: Push) -> None:
        nonlocal under_way, ended
        delivery = await pusher.push(one.connection, one.frame)
        counters.add(delivery.value)
        order.ended(one, delivery)
        under_way -= 1
        ended += 1
        room.set()

    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            while True:
                while under_way < PUSHES_AT_ONCE and (one := order.next()) is not None:
                    under_way += 1
                    group.create_task(push(one))
                if under_way == 0:
                    break
                room.clear()
                await room.wait()
    except TimeoutError:  # the limit's own: what a push raises comes in a group
        counters.add(DROPPED, len(pushes) - ended - order.spared.total())
    for delivery, number in order.spared.items():
        counters.add(delivery.value, number)
    return order.gone

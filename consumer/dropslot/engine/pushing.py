"""Many frames to many connections: nobody waits for a slow one for long."""

import asyncio
from collections.abc import Sequence
from typing import Final

from dropslot.engine.crowd import each
from dropslot.engine.feedback_ports import Delivery, Pusher
from dropslot.engine.ports import Counters

#: Each costs a connection, and on a small function's share of a core a handshake of some milliseconds.
PUSHES_AT_ONCE: Final = 32
#: What is not sent by then is dropped: whoever still waits asks.
PUSHES_SECONDS: Final = 10.0

#: Counts what the limit dropped.
DROPPED: Final = "push_dropped"

#: What a connection won't get better from within seconds.
_HOPELESS: Final = frozenset((Delivery.GONE, Delivery.SLOW))


async def push_all(
    pusher: Pusher, frames: Sequence[tuple[str, bytes]], counters: Counters, *, seconds: float = PUSHES_SECONDS
) -> frozenset[str]:
    """Push frames, and count what became of them.

    The first frame of each connection goes before the others of all. Who is gone or slow by it isn't asked again:
    others wait.

    Args:
        pusher: sends them.
        frames: connection and frame.
        counters: `Delivery`'s values, and `DROPPED`.
        seconds: limit of them all together.

    Returns:
        The connections that are gone.
    """
    tried: dict[str, asyncio.Event] = {}
    hopeless: dict[str, Delivery] = {}
    pushed = 0

    async def push(frame: tuple[str, bytes]) -> None:
        nonlocal pushed
        connection = frame[0]
        if connection in tried:
            await tried[connection].wait()
        else:
            tried[connection] = asyncio.Event()
        delivery = hopeless.get(connection) or await pusher.push(*frame)
        pushed += 1
        counters.add(delivery.value)
        if delivery in _HOPELESS:
            hopeless[connection] = delivery
        tried[connection].set()

    if not await each(_firsts_first(frames), push, at_once=PUSHES_AT_ONCE, seconds=seconds):
        counters.add(DROPPED, len(frames) - pushed)
    return frozenset(connection for connection, delivery in hopeless.items() if delivery is Delivery.GONE)


def _firsts_first(frames: Sequence[tuple[str, bytes]]) -> Sequence[tuple[str, bytes]]:
    firsts: dict[str, tuple[str, bytes]] = {}
    others: list[tuple[str, bytes]] = []
    for frame in frames:
        if frame[0] in firsts:
            others.append(frame)
        else:
            firsts[frame[0]] = frame
    return [*firsts.values(), *others]

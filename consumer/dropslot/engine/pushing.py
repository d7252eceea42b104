"""Many frames to many connections: nobody waits for a slow one for long."""

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


async def push_all(
    pusher: Pusher, frames: Sequence[tuple[str, bytes]], counters: Counters, *, seconds: float = PUSHES_SECONDS
) -> frozenset[str]:
    """Push frames, and count what became of them.

    Args:
        pusher: sends them.
        frames: connection and frame.
        counters: `Delivery`'s values, and `DROPPED`.
        seconds: limit of them all together.

    Returns:
        The connections that are gone.
    """
    gone: set[str] = set()
    pushed = 0

    async def push(frame: tuple[str, bytes]) -> None:
        nonlocal pushed
        delivery = Delivery.GONE if frame[0] in gone else await pusher.push(*frame)
        pushed += 1
        counters.add(delivery.value)
        if delivery is Delivery.GONE:
            gone.add(frame[0])

    if not await each(frames, push, at_once=PUSHES_AT_ONCE, seconds=seconds):
        counters.add(DROPPED, len(frames) - pushed)
    return frozenset(gone)

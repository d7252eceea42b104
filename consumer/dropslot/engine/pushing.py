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
    """Push frames, and count what became of them. Who is gone or slow once isn't asked again: others wait.

    Args:
        pusher: sends them.
        frames: connection and frame.
        counters: `Delivery`'s values, and `DROPPED`.
        seconds: limit of them all together.

    Returns:
        The connections that are gone.
    """
    hopeless: dict[str, Delivery] = {}
    pushed = 0

    async def push(frame: tuple[str, bytes]) -> None:
        nonlocal pushed
        delivery = hopeless.get(frame[0]) or await pusher.push(*frame)
        pushed += 1
        counters.add(delivery.value)
        if delivery in {Delivery.GONE, Delivery.SLOW}:
            hopeless[frame[0]] = delivery

    if not await each(frames, push, at_once=PUSHES_AT_ONCE, seconds=seconds):
        counters.add(DROPPED, len(frames) - pushed)
    return frozenset(connection for connection, delivery in hopeless.items() if delivery is Delivery.GONE)

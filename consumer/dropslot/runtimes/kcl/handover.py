"""What one image of a shard process leaves to the next, when it replaces itself in the middle of a message."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What a process image must know that takes over in the middle of a message.

    Args:
        owed: action of the open message.
        checkpoint: last checkpoint the daemon accepted from this lease.
    """

    shard_id: str
    owed: str
    checkpoint: str | None

"""What a shard needs to know of the settings."""

from dataclasses import dataclass, field

from dropslot.core.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardOptions:
    """Options of a shard.

    Args:
        table: name of the table whose changes are ours.
        concurrency: how many requests may be under way at once, from start to written outcome.
        fresh_ms: a record younger than this, arrived since the start, runs without a read.
        ttl_seconds: how long a done request is kept.
        policy: how endings are judged.
    """

    table: str
    concurrency: int = 64
    fresh_ms: float = 5_000
    ttl_seconds: int = 86_400
    policy: Policy = field(default_factory=Policy)

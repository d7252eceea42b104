"""What a shard needs to know of the settings."""

import msgspec

from dropslot.core.policy import Policy


class ShardOptions(msgspec.Struct, frozen=True, kw_only=True):
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
    policy: Policy = Policy()

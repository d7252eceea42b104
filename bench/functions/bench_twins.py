"""A shard over the table's twin in memory: the engine without what it talks to. Change records name requests."""

import json
import os
from collections.abc import Mapping
from typing import Any

from bench_records import Records  # type: ignore[import-not-found]  # beside it, where it runs

from dropslot.adapters.clock import SystemClock
from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.engine.backoff import Backoff
from dropslot.engine.shard import Shard
from dropslot.runtimes.handling import make_runners, shard_options
from dropslot.runtimes.threaded import ThreadedShard
from dropslot.settings import Settings

settings = Settings.from_env(os.environ)
clock, counters, backoff = SystemClock(), MemoryCounters(), Backoff()


class Twins:
    """A shard, put together as `runtimes.assembly` does it.

    Args:
        further: arguments of `Shard` that trees without steps don't have.
    """

    def __init__(self, further: Mapping[str, Any]) -> None:
        self._requests = MemoryRequests()
        self._further = further
        self._shard = ThreadedShard(
            self._make_shard,
            counters=counters,
            lost_handlers_max=settings.lost_handlers_max,
            unreachable_limit_seconds=settings.unreachable_limit_seconds,
            stall_limit_seconds=settings.stall_limit_seconds,
        )
        self.run = Records(self._shard).run

    def put(self, named: list[str]) -> None:
        """Put requests on the table, and nothing else."""
        self._requests.items.clear()
        for record in named:
            self._requests.put(json.loads(record)["dynamodb"]["NewImage"])

    def items(self) -> list[Mapping[str, Any]]:
        """Return what is on the table, by DynamoDB's JSON; all of it is done."""
        assert all("ttl" in item for item in self._requests.items.values())
        return list(self._requests.items.values())

    def close(self) -> None:
        """End the shard."""
        self._shard.close()

    def _make_shard(self) -> Shard:
        return Shard(
            requests=self._requests,
            runners=make_runners(settings),
            clock=clock,
            counters=counters,
            backoff=backoff,
            options=shard_options(settings),
            **self._further,
        )

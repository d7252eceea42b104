"""Puts a consumer's parts together from its settings."""

import asyncio
import threading
from typing import Final

from dropslot.adapters.clock import SystemClock
from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.requests.dynamodb import DynamoDBRequests, make_client
from dropslot.core.policy import Policy
from dropslot.engine.backoff import Backoff
from dropslot.engine.handler import load_handlers
from dropslot.engine.options import ShardOptions
from dropslot.engine.runners import make_runner
from dropslot.engine.shard import Shard
from dropslot.engine.sweep import Sweep, SweepOptions
from dropslot.runtimes.threaded import ThreadedShard
from dropslot.settings import Settings

#: On top of what a handler may take: pauses between its tries, the write of its outcome.
STALL_MARGIN_SECONDS: Final = 60.0


def build_shard_engine(settings: Settings) -> ThreadedShard:
    """Return the engine of one shard, running.

    Raises:
        ConfigurationError: a handler can't be used.
    """
    runners = {
        type_name: make_runner(handler, execution=settings.execution, limit_seconds=settings.handler_timeout_seconds)
        for type_name, handler in load_handlers(settings.handler).items()
    }
    requests = DynamoDBRequests(make_client(settings.region), settings.table)
    counters = MemoryCounters()
    options = ShardOptions(
        table=settings.table,
        concurrency=settings.concurrency,
        fresh_ms=settings.fresh_seconds * 1000,
        ttl_seconds=settings.ttl_seconds,
        policy=Policy(
            handler_tries=settings.handler_tries,
            retry_schedule_seconds=settings.retry_schedule_seconds,
            result_max_bytes=settings.result_max_bytes,
        ),
    )

    def make_shard() -> Shard:
        return Shard(
            requests=requests,
            runners=runners,
            clock=SystemClock(),
            counters=counters,
            backoff=Backoff(),
            options=options,
        )

    return ThreadedShard(
        make_shard,
        counters=counters,
        lost_handlers_max=settings.lost_handlers_max,
        unreachable_limit_seconds=settings.unreachable_limit_seconds,
        stall_limit_seconds=settings.handler_timeout_seconds * settings.handler_tries + STALL_MARGIN_SECONDS,
    )


class ThreadedSweep:
    """The sweep, to be run in a thread of its own.

    Args:
        settings: of the consumer it runs in.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def run(self, stop: threading.Event) -> None:
        """Sweep until told to stop."""
        asyncio.run(self._run(stop))

    async def _run(self, stop: threading.Event) -> None:
        requests = DynamoDBRequests(make_client(self._settings.region), self._settings.table)
        sweep = Sweep(
            requests=requests,
            clock=SystemClock(),
            counters=MemoryCounters(),
            options=SweepOptions(
                interval_seconds=self._settings.sweep_interval_seconds,
                grace_ms=round(self._settings.sweep_grace_seconds * 1000),
            ),
        )
        sweeping = asyncio.create_task(sweep.run())
        stopping = asyncio.create_task(asyncio.to_thread(stop.wait))
        await asyncio.wait((sweeping, stopping), return_when=asyncio.FIRST_COMPLETED)
        sweeping.cancel()
        requests.close()
        if sweeping.done() and not sweeping.cancelled():
            sweeping.result()


def build_sweep(settings: Settings) -> ThreadedSweep:
    """Return the sweep of a consumer."""
    return ThreadedSweep(settings)

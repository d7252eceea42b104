"""Puts a consumer's parts together from its settings."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

from dropslot.adapters.clock import SystemClock
from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.requests.dynamodb import DynamoDBRequests
from dropslot.adapters.tally import INTERVAL_SECONDS, Tally
from dropslot.adapters.wire.sdk import Boto3Calls, make_client
from dropslot.engine import backlog
from dropslot.engine.backoff import Backoff
from dropslot.engine.shard import Shard
from dropslot.engine.sweep import Sweep
from dropslot.runtimes.handling import make_runners, make_stepping, shard_options, sweep_options
from dropslot.runtimes.threaded import ThreadedShard
from dropslot.settings import Settings

#: How often the sweep looks whether it is to stop.
STOP_LOOK_SECONDS: Final = 0.2


def build_shard_engine(settings: Settings) -> ThreadedShard:
    """Return the engine of one shard, running.

    Raises:
        ConfigurationError: a handler can't be used.
    """
    runners = make_runners(settings)
    requests = DynamoDBRequests(Boto3Calls(make_client(settings.region), settings.table))
    counters = MemoryCounters()
    options = shard_options(settings)
    clock, backoff = SystemClock(), Backoff()
    stepping = make_stepping(
        settings,
        runners,
        lambda: Boto3Calls(make_client(settings.region), settings.journal),
        clock=clock,
        counters=counters,
        backoff=backoff,
    )

    def make_shard() -> Shard:
        return Shard(
            requests=requests,
            runners=runners,
            clock=clock,
            counters=counters,
            backoff=backoff,
            options=options,
            stepping=stepping,
        )

    return ThreadedShard(
        make_shard,
        counters=counters,
        lost_handlers_max=settings.lost_handlers_max,
        unreachable_limit_seconds=settings.unreachable_limit_seconds,
        stall_limit_seconds=settings.stall_limit_seconds,
    )


class ThreadedSweep:
    """The sweep and what goes with it, to be run in a thread of its own.

    Args:
        make: starts the work on the loop, and leaves what must be closed after it on the stack; returns tasks that
            end only by a fault.
    """

    def __init__(self, make: Callable[[ExitStack], Sequence[asyncio.Task[None]]]) -> None:
        self._make = make

    def run(self, stop: threading.Event) -> None:
        """Sweep until told to stop.

        Raises:
            Exception: what went wrong beyond an unreachable table; the caller runs it again.
        """
        asyncio.run(self._run(stop))

    async def _run(self, stop: threading.Event) -> None:
        with ExitStack() as leaving:
            tasks = self._make(leaving)
            for task in tasks:
                leaving.callback(task.cancel)
            ended: set[asyncio.Task[None]] = set()
            # Looked at, not waited for in a thread: that thread would keep a sweep that failed from ending.
            while not stop.is_set() and not ended:
                ended, _ = await asyncio.wait(tasks, timeout=STOP_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()


def build_sweep(settings: Settings, paused: Callable[[], bool] = lambda: False) -> ThreadedSweep:
    """Return the sweep of a consumer, which also tells now and then what it did and what is left to do.

    Args:
        settings: of the consumer.
        paused: whether it must redrive nothing.
    """
    options = sweep_options(settings)

    def make(leaving: ExitStack) -> Sequence[asyncio.Task[None]]:
        clock, counters = SystemClock(), MemoryCounters()
        requests = DynamoDBRequests(Boto3Calls(make_client(settings.region), settings.table))
        leaving.callback(requests.close)
        tally = Tally(counters.totals, monotonic_seconds=time.monotonic)
        leaving.callback(tally.tell)
        sweep = Sweep(
            requests=requests,
            clock=clock,
            counters=counters,
            options=options,
            paused=paused,
        )

        async def report() -> None:
            while True:
                await backlog.tell(requests, clock=clock, grace_ms=options.grace_ms)
                await clock.sleep(INTERVAL_SECONDS)
                tally.tell()

        return [asyncio.create_task(work) for work in (sweep.run(), report())]

    return ThreadedSweep(make)

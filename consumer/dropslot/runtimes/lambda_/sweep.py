"""The function behind the schedule: sweeps as the consumer on containers does, while there is work and time."""

import time
from collections.abc import Mapping
from functools import partial
from logging import getLogger
from typing import Any, Final

from dropslot.adapters.clock import SystemClock
from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.tally import Tally
from dropslot.core.errors import TransientError
from dropslot.engine import backlog
from dropslot.engine.ports import Clock
from dropslot.engine.sweep import Sweep
from dropslot.runtimes.handling import sweep_options
from dropslot.runtimes.lambda_.function import Function
from dropslot.runtimes.lambda_.table import Table, open_table
from dropslot.settings import Settings

_log: Final = getLogger(__name__)

#: How much of the function's time a sweep that was started must find: it can't be cut off half-way by the time-out.
ROUND_SECONDS: Final = 5.0


class ScheduledSweep:
    """Sweeps once per invocation, and again after the usual pause for as long as it finds something; then counts.

    A schedule can't come more often than once a minute; without the repeats, one sweep's bound on what it adds to the
    stream would be the bound of a minute.

    Args:
        settings: of the consumer.
        table: of requests.
        clock: time.
    """

    def __init__(self, *, settings: Settings, table: Table, clock: Clock) -> None:
        self._clock = clock
        self._table = table
        self._options = sweep_options(settings)

    async def run(self, *, remaining_ms: float) -> dict[str, Any]:
        """Sweep; during a pause only count.

        Args:
            remaining_ms: milliseconds that the function's time-out leaves.

        Returns:
            How many requests were redriven.

        Raises:
            TransientError: the table can't be reached; the next invocation goes on.
        """
        end_ms = self._clock.now_ms() + remaining_ms - ROUND_SECONDS * 1000
        counters = MemoryCounters()
        tally = Tally(counters.totals, monotonic_seconds=time.monotonic)
        sweep = Sweep(requests=self._table, clock=self._clock, counters=counters, options=self._options)
        redriven = 0
        paused = await self._paused()
        try:
            while not paused and (found := await sweep.once()):
                redriven += found
                if self._clock.now_ms() + self._options.interval_seconds * 1000 > end_ms:
                    break
                await self._clock.sleep(self._options.interval_seconds)
        except TransientError as error:
            _log.warning("sweep_unreachable", extra={"error": str(error)})
            raise
        finally:
            tally.tell()
        await backlog.tell(self._table, clock=self._clock, grace_ms=self._options.grace_ms)
        return {"redriven": redriven}

    async def _paused(self) -> bool:
        """Ask once for the whole round: what it redrives after that is run when the pause is over."""
        try:
            paused = await self._table.paused()
        except TransientError as error:
            # The sweep is the guarantee: it needs more than a silence to stand still.
            _log.warning("pause_unknown", extra={"error": str(error)})
            return False
        if paused:
            _log.info("paused")
        return paused


def sweep_function(environment: Mapping[str, str]) -> Function[ScheduledSweep]:
    """Return the handler of a function that a schedule starts.

    Args:
        environment: of the process; read at the first invocation.
    """
    return Function(environment, read=Settings.from_env, build=partial(_build, environment), serve=_serve)


def _build(environment: Mapping[str, str], settings: Settings, _remaining_ms: float) -> ScheduledSweep:
    table = open_table(environment, table=settings.table, region=settings.region)
    return ScheduledSweep(settings=settings, table=table, clock=SystemClock())


async def _serve(sweep: ScheduledSweep, _event: Mapping[str, Any], remaining_ms: float) -> dict[str, Any]:
    return await sweep.run(remaining_ms=remaining_ms)

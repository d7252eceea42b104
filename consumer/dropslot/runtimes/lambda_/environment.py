"""What an execution environment keeps from one invocation to the next: connections, handlers' threads, counts."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from logging import getLogger
from typing import TYPE_CHECKING, Any, Final

from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.tally import Tally
from dropslot.engine.backoff import Backoff
from dropslot.engine.ports import Clock, Requests, Runner
from dropslot.engine.shard import Shard
from dropslot.engine.stream_record import StreamRecord
from dropslot.runtimes.handling import shard_options
from dropslot.runtimes.lambda_.deadline import Deadline
from dropslot.runtimes.lambda_.event import stream_records
from dropslot.runtimes.lambda_.invocation import resolve
from dropslot.runtimes.lambda_.parking import ParkingPolicy, ParkingRunner
from dropslot.settings import Settings

if TYPE_CHECKING:
    from dropslot.engine.steps.stepping import Stepping

_log: Final = getLogger(__name__)


class Environment:
    """Processes batches, one after the other.

    An invocation can't know whether its batch was delivered before, to an environment that died of it. It was not if
    its records are young and arrived since this environment started: these run at once. All others are looked up, and
    as many of them as a window holds have their starts counted: see `engine/shard.py` on suspects.

    Args:
        settings: of the consumer.
        requests: the table.
        runners: what calls the handler, by type of request.
        clock: time.
        leave: ends the process at once; Lambda then starts a new one and the batch comes again.
        backoff: pauses while the table can't be reached; None for the usual ones.
        make_stepping: makes what runs requests with steps, if a handler takes any; called with clock, counters and
            backoff.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        requests: Requests,
        runners: Mapping[str, Runner],
        clock: Clock,
        leave: Callable[[], None],
        backoff: Backoff | None = None,
        make_stepping: "Callable[..., Stepping | None] | None" = None,
    ) -> None:
        self._settings = settings
        self._requests = requests
        self._runners = runners
        self._clock = clock
        self._leave = leave
        self._backoff = backoff if backoff is not None else Backoff()
        self._counters = MemoryCounters()
        # Late successes of earlier invocations are told with the next one.
        self._tally = Tally(self._counters.totals, monotonic_seconds=time.monotonic)
        self._started_ms = clock.now_ms()
        self._stepping = (
            make_stepping(clock=clock, counters=self._counters, backoff=self._backoff)
            if make_stepping is not None
            else None
        )

    async def handle(self, event: Mapping[str, Any], *, remaining_ms: float) -> dict[str, Any]:
        """Process one batch.

        Args:
            event: as Lambda hands it over.
            remaining_ms: milliseconds that the function's time-out leaves.

        Returns:
            The partial batch response: the first unresolved record, from which on Lambda delivers the batch again.
            https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html

        Raises:
            UnexpectedEventError: the event is no batch of one shard.
        """
        if sum(runner.lost for runner in self._runners.values()) >= self._settings.lost_handlers_max:
            # Now, while no request is under way that could be blamed.
            _log.warning("environment_recycled")
            self._leave()
        deadline = Deadline.of(
            now_ms=self._clock.now_ms(),
            remaining_ms=remaining_ms,
            handler_limit_seconds=self._settings.handler_timeout_seconds,
        )
        left = await self._resolve(stream_records(event), deadline)
        self._tally.tell()
        return {"batchItemFailures": [{"itemIdentifier": record.sequence_number} for record in left[:1]]}

    async def _resolve(self, records: Sequence[StreamRecord], deadline: Deadline) -> Sequence[StreamRecord]:
        now_ms = self._clock.now_ms()
        return await resolve(
            self._shard(now_ms, deadline),
            records,
            seconds=max(0.0, (deadline.answer_at_ms - now_ms) / 1000),
            clock=self._clock,
        )

    def _shard(self, now_ms: float, deadline: Deadline) -> Shard:
        settings = self._settings
        return Shard(
            requests=self._requests,
            runners={
                type_name: ParkingRunner(runner, clock=self._clock, start_until_ms=deadline.start_until_ms)
                for type_name, runner in self._runners.items()
            },
            clock=self._clock,
            counters=self._counters,
            backoff=self._backoff,
            options=shard_options(
                settings,
                policy=partial(ParkingPolicy, clock=self._clock, start_until_ms=deadline.start_until_ms),
            ),
            up_since_ms=max(self._started_ms, now_ms - settings.fresh_seconds * 1000),
            stepping=self._stepping,
        )

"""The Lambda consumer as a whole: the mapping and its function, the sweep function and its schedule."""

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dropslot.core import mapping
from dropslot.local.mapping.beat import MappingBeat
from dropslot.local.mapping.environment import FunctionSpec
from dropslot.local.mapping.event import ACCOUNT
from dropslot.local.mapping.failures import FailureFolder
from dropslot.local.mapping.filters import compile_filters
from dropslot.local.mapping.function import Function
from dropslot.local.mapping.lane import Delivery
from dropslot.local.mapping.log_counters import LogCounters
from dropslot.local.mapping.options import MappingOptions
from dropslot.local.mapping.poller import Poller
from dropslot.local.mapping.positions import Positions
from dropslot.local.mapping.shard import ShardReader

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

_log: Final = getLogger(__name__)

#: Counts what the filters refused.
FILTERED: Final = "filtered"
_BEAT_SECONDS: Final = 0.25
#: What a schedule's event says; the sweep doesn't look.
_TICK: Final = b'{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerPlaces:
    """Where a consumer finds and keeps things.

    Args:
        stream: name of the stream.
        region: AWS region that it claims to be in.
        state_dir: folder of the beat.
        positions: file of the positions.
        failures: folder that stands for the failure destination.
    """

    stream: str
    region: str
    state_dir: Path
    positions: Path
    failures: Path


class MappingConsumer:
    """Runs until cancelled.

    Args:
        options: of the mapping.
        places: see there.
        client: of Kinesis.
        environment: variables of both functions.
        on_line: takes each line that they log.

    Raises:
        ConfigurationError: the options, or the filters, are none that this mapping can keep.
    """

    def __init__(
        self,
        options: MappingOptions,
        places: ConsumerPlaces,
        *,
        client: "KinesisClient",
        environment: Mapping[str, str],
        on_line: Callable[[bytes], None],
    ) -> None:
        options.check()
        self._options = options
        self._places = places
        self._client = client
        self._on_line = on_line
        self._counters = LogCounters()
        self._positions = Positions(places.positions)
        self._matches = compile_filters(options.filters)
        self._stream_arn = f"arn:aws:kinesis:{places.region}:{ACCOUNT}:stream/{places.stream}"
        self._function = Function(
            FunctionSpec(
                name="dropslot-stream",
                handler=mapping.STREAM_HANDLER,
                environment=environment,
                timeout_seconds=options.stream_timeout_seconds,
                memory_mib=options.stream_memory_mib,
            ),
            on_line=self._log_line,
        )
        self._sweep = Function(
            FunctionSpec(
                name="dropslot-sweep",
                handler=mapping.SWEEP_HANDLER,
                environment=environment,
                timeout_seconds=options.sweep_timeout_seconds,
                memory_mib=options.sweep_memory_mib,
            ),
            on_line=self._log_line,
        )
        failures = FailureFolder(
            places.failures,
            mapping_id=str(uuid.uuid5(uuid.NAMESPACE_URL, self._stream_arn)),
            function=self._function.spec,
            stream_arn=self._stream_arn,
        )
        self._delivery = Delivery(options=options, function=self._function, failures=failures)
        self._poller = Poller(client, places.stream, self._positions, self._open_shard)

    async def run(self) -> None:
        """Read, invoke and sweep. When cancelled, invocations under way get their grace."""
        _log.info("mapping_started", extra={"stream": self._places.stream})
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._poller.run())
                group.create_task(self._keep_sweeping())
                group.create_task(self._keep_telling())
        finally:
            self._positions.save()
            await asyncio.gather(self._function.close(), self._sweep.close())
            _log.info("mapping_stopped")

    async def reload(self) -> None:
        """Replace the execution environments, which import the handlers afresh."""
        _log.info("environments_replaced")
        await asyncio.gather(self._function.retire(), self._sweep.retire())

    async def _keep_sweeping(self) -> None:
        due = time.monotonic()
        while True:
            due = max(due + self._options.sweep_every_seconds, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            # As the schedule does: a sweep that failed isn't repeated, the next one does the same.
            await self._sweep.invoke(_TICK)

    async def _keep_telling(self) -> None:
        while True:
            self._positions.save()
            # A full disk ends the beats, not the work.
            with suppress(OSError):
                self._beat().write(self._places.state_dir)
            await asyncio.sleep(_BEAT_SECONDS)

    def _beat(self) -> MappingBeat:
        return MappingBeat(
            pid=os.getpid(),
            beat_epoch_seconds=time.time(),
            shards=self._poller.shards,
            functions={**self._function.pids, **self._sweep.pids},
            counters=self._counters.totals,
        )

    def _open_shard(self, shard_id: str) -> ShardReader:
        return ShardReader(
            shard_id,
            stream=self._places.stream,
            stream_arn=self._stream_arn,
            client=self._client,
            matches=self._let_through,
            delivery=self._delivery,
            positions=self._positions,
        )

    def _let_through(self, data: bytes) -> bool:
        if self._matches(data):
            return True
        # AWS has a metric for it: FilteredOutEventCount.
        self._counters.totals[FILTERED] += 1
        return False

    def _log_line(self, line: bytes) -> None:
        self._counters.take(line)
        self._on_line(line)

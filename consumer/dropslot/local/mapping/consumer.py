"""A mapping as a whole: what it reads and invokes, and beside the consumer's the sweep function and its schedule."""

import asyncio
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dropslot.local.mapping.beat import MappingBeat
from dropslot.local.mapping.environment import FunctionSpec
from dropslot.local.mapping.event import ACCOUNT
from dropslot.local.mapping.failures import FailureFolder
from dropslot.local.mapping.filters import compile_filters
from dropslot.local.mapping.function import Function
from dropslot.local.mapping.lane import Delivery
from dropslot.local.mapping.log_counters import LogCounters
from dropslot.local.mapping.options import FROM_FIRST, MappingOptions
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
        failures: folder that stands for the failure destination; None for a mapping without one.
    """

    stream: str
    region: str
    state_dir: Path
    positions: Path
    failures: Path | None


class MappingConsumer:
    """Runs until cancelled.

    Args:
        options: of the mapping.
        places: see there.
        client: of Kinesis.
        function: gets the batches.
        sweep: is invoked by schedule; None for a mapping without one.
        on_line: takes each line that the functions log.

    Raises:
        ConfigurationError: the options, or the filters, are none that this mapping can keep.
    """

    def __init__(
        self,
        options: MappingOptions,
        places: ConsumerPlaces,
        *,
        client: "KinesisClient",
        function: FunctionSpec,
        sweep: FunctionSpec | None,
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
        self._function = Function(function, on_line=self._log_line)
        self._sweep = Function(sweep, on_line=self._log_line) if sweep is not None else None
        self._delivery = Delivery(options=options, function=self._function, failures=self._failure_folder())
        self._unsaved = False
        self._poller = Poller(client, places.stream, self._positions, self._open_shard)

    async def run(self) -> None:
        """Read, invoke and sweep. When cancelled, invocations under way get their grace."""
        _log.info("mapping_started", extra={"stream": self._places.stream})
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._poller.run())
                if self._sweep is not None:
                    group.create_task(self._keep_sweeping(self._sweep))
                group.create_task(self._keep_telling())
        finally:
            self._save(self._positions.save)
            await asyncio.gather(*(function.close() for function in self._functions))
            _log.info("mapping_stopped")

    async def reload(self) -> None:
        """Replace the execution environments, which import the handlers afresh."""
        _log.info("environments_replaced")
        await asyncio.gather(*(function.retire() for function in self._functions))

    @property
    def _functions(self) -> tuple[Function, ...]:
        return (self._function,) if self._sweep is None else (self._function, self._sweep)

    async def _keep_sweeping(self, sweep: Function) -> None:
        due = time.monotonic()
        while True:
            due = max(due + self._options.sweep_every_seconds, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            # As the schedule does: a sweep that failed isn't repeated, the next one does the same.
            await sweep.invoke(_TICK)

    async def _keep_telling(self) -> None:
        while True:
            self._save(self._positions.save, lambda: self._beat().write(self._places.state_dir))
            await asyncio.sleep(_BEAT_SECONDS)

    def _save(self, *writes: Callable[[], None]) -> None:
        """Write what a later start, and others, go by. A full disk ends that, not the work.

        Positions that couldn't be written are kept for the next time; if there is none, their records are delivered
        again.
        """
        try:
            for write in writes:
                write()
        except OSError as error:
            if not self._unsaved:
                _log.warning("state_unsaved", extra={"error": str(error)})
            self._unsaved = True
        else:
            self._unsaved = False

    def _beat(self) -> MappingBeat:
        return MappingBeat(
            pid=os.getpid(),
            beat_epoch_seconds=time.time(),
            shards=self._poller.shards,
            functions={name: pid for function in self._functions for name, pid in function.pids.items()},
            counters=self._counters.totals,
        )

    def _failure_folder(self) -> FailureFolder | None:
        if self._places.failures is None:
            return None
        return FailureFolder(
            self._places.failures,
            mapping_id=str(uuid.uuid5(uuid.NAMESPACE_URL, self._stream_arn)),
            function=self._function.spec,
            stream_arn=self._stream_arn,
        )

    def _open_shard(self, shard_id: str, *, has_parent: bool) -> ShardReader:
        # What came into a child since the mapping began is new, however late the shard is opened.
        begins = FROM_FIRST if has_parent else self._options.starting_position
        return ShardReader(
            shard_id,
            begins=begins,
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

"""Reads one shard, and spreads its records over its lanes by partition key."""

import asyncio
import time
import zlib
from collections.abc import Mapping
from logging import getLogger
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.core.watermark import Entry, Watermark
from dropslot.local.mapping.event import ShardRecord
from dropslot.local.mapping.filters import Matches
from dropslot.local.mapping.lane import Delivery, Lane
from dropslot.local.mapping.positions import SHARD_END, Positions

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

_log: Final = getLogger(__name__)

#: kinesis-local is slow at large answers, see relay/sink.py.
_READ_LIMIT: Final = 100
#: A shard takes five reads a second (https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html).
_READ_SECONDS: Final = 0.2
_RETRY_SECONDS: Final = 0.5
#: Only one log line a period says that the stream can't be read, however often it is tried.
_COMPLAIN_SECONDS: Final = 10.0


class ShardReader:
    """Follows one shard from its position to its end.

    Lambda processes records of one partition key in order also when it runs several batches of a shard at once:
    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html

    Args:
        shard_id: the shard.
        begins: where it starts without a position, as Kinesis calls it.
        stream: name of the stream.
        stream_arn: its ARN.
        client: of Kinesis.
        matches: the mapping's filters; what they refuse counts as resolved.
        delivery: see there.
        positions: where it starts, and where it notes how far it has got.

    Attributes:
        reading: whether it has found its place: later records reach it.
    """

    def __init__(
        self,
        shard_id: str,
        *,
        begins: str,
        stream: str,
        stream_arn: str,
        client: "KinesisClient",
        matches: Matches,
        delivery: Delivery,
        positions: Positions,
    ) -> None:
        self._shard_id = shard_id
        self._begins = begins
        self.reading = False
        self._stream = stream
        self._stream_arn = stream_arn
        self._client = client
        self._matches = matches
        self._poll_seconds = delivery.options.poll_seconds
        self._positions = positions
        self._read_up_to = positions.get(shard_id)
        self._watermark = Watermark()
        self._entries: dict[str, Entry] = {}
        self._lanes = [
            Lane(shard_id, delivery, resolved=self._resolved, disabled=lambda: positions.disabled)
            for _ in range(delivery.options.parallelization)
        ]
        self._complained_at = float("-inf")

    async def run(self) -> None:
        """Read and deliver until the shard has ended and all of it is resolved or given up."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.run())
            await self._read()
            for lane in self._lanes:
                await lane.end()
        self._positions.set(self._shard_id, SHARD_END)

    async def _read(self) -> None:
        iterator: str | None = None
        while True:
            try:
                if iterator is None:
                    iterator = await asyncio.to_thread(self._iterator)
                    self.reading = True
                answer = await asyncio.to_thread(self._client.get_records, ShardIterator=iterator, Limit=_READ_LIMIT)
            except (ClientError, BotoCoreError) as error:
                # Iterators go stale, also by a restart of the stream's server.
                iterator = None
                self._complain(error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for record in answer["Records"]:
                await self._take(record)
            iterator = answer.get("NextShardIterator")
            if iterator is None:
                return
            if not answer["Records"]:
                await asyncio.sleep(self._poll_seconds)
            elif len(answer["Records"]) < _READ_LIMIT:
                await asyncio.sleep(min(_READ_SECONDS, self._poll_seconds))

    def _iterator(self) -> str:
        # Whoever begins now and loses its place before the first record begins anew: what came meanwhile is passed by.
        where: Any = (
            {"ShardIteratorType": self._begins}
            if self._read_up_to is None
            else {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": self._read_up_to}
        )
        return self._client.get_shard_iterator(StreamName=self._stream, ShardId=self._shard_id, **where)[
            "ShardIterator"
        ]

    async def _take(self, read: Mapping[str, Any]) -> None:
        number = read["SequenceNumber"]
        self._read_up_to = number
        entry = self._watermark.open(number)
        if not self._matches(read["Data"]):
            self._resolve(entry)
            return
        self._entries[number] = entry
        record = ShardRecord.of(
            shard_id=self._shard_id,
            stream_arn=self._stream_arn,
            sequence_number=number,
            partition_key=read["PartitionKey"],
            data=read["Data"],
            arrived_epoch_seconds=read["ApproximateArrivalTimestamp"].timestamp(),
        )
        await self._lanes[zlib.crc32(record.partition_key.encode()) % len(self._lanes)].put(record)

    def _resolved(self, record: ShardRecord) -> None:
        self._resolve(self._entries.pop(record.sequence_number))

    def _resolve(self, entry: Entry) -> None:
        self._watermark.resolve(entry)
        if self._watermark.position is not None:
            self._positions.set(self._shard_id, self._watermark.position)

    def _complain(self, error: Exception) -> None:
        if time.monotonic() - self._complained_at >= _COMPLAIN_SECONDS:
            self._complained_at = time.monotonic()
            _log.warning("stream_unreadable", extra={"shard_id": self._shard_id, "reason": type(error).__name__})

"""The stream as a replay's source: shard by shard, parents first, with no more reads than a consumer can spare."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.core.errors import ConfigurationError
from dropslot.core.transience import TRANSIENT_AWS_CODES
from dropslot.engine.backoff import Backoff
from dropslot.engine.ports import Clock
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.replay.position import Position, Span
from dropslot.operate.replay.source import Record
from dropslot.operate.shards import Stream
from dropslot.operate.trouble import explain

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

#: Half of what a shard allows all its readers together, 5 calls and 2 MB a second
#: (https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html): the consumer needs the rest.
CALLS_PER_SECOND: Final = 2.5
BYTES_PER_SECOND: Final = 1_000_000
#: A page lies in memory, and is worked off before the next one is read.
PAGE_RECORDS: Final = 2_000
#: Arrival times aren't promised to grow from record to record
#: (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html): so far behind the end of a replay may
#: still be records that came before it.
EDGE_SECONDS: Final = 10.0
#: For so long no call may get through before the replay is given up.
GIVE_UP_SECONDS: Final = 60.0

_EXPIRED: Final = "ExpiredIteratorException"
#: What Kinesis says to a sequence number that isn't the shard's, or that it keeps no more.
_NO_SUCH_PLACE: Final = frozenset({"InvalidArgumentException", "ResourceNotFoundException"})


class ShardSource:
    """Reads shards of a stream; see `Source`.

    Args:
        client: of Kinesis; it repeats nothing by itself.
        stream: name of the stream.
        shards: what shards the stream has.
        shard: the only shard to read; None for all.
        span: from where to where.
        clock: time.
        backoff: pauses while the stream takes no call.
        say: tells the operator what they should know.
    """

    def __init__(
        self,
        client: "KinesisClient",
        stream: str,
        *,
        shards: Stream,
        shard: str | None,
        span: Span,
        clock: Clock,
        backoff: Backoff,
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._stream = stream
        self._shards = shards
        self._shard = shard
        self._span = span
        self._clock = clock
        self._backoff = backoff
        self._say = say

    def lanes(self) -> Sequence[str]:
        """See `Source.lanes`; closed shards are among them for as long as the stream keeps their records."""
        shards = self._shards.shards()
        if self._shard is not None and self._shard not in shards:
            raise ConfigurationError(
                f"stream {self._stream} has no shard {self._shard}; it has {', '.join(sorted(shards))}"
            )
        if self._shard is not None:
            return [self._shard]
        parents = {shard_id: sorted(shards.keys() & shards[shard_id].parents) for shard_id in sorted(shards)}
        return list(TopologicalSorter(parents).static_order())

    async def pages(self, lane: str, *, after: str | None) -> AsyncIterator[Sequence[Record]]:
        """See `Source.pages`."""
        if self._span.end.sequence_number is not None and after is None:
            await self._iterator(lane, self._span.end)  # another shard's would never be met, or at once
        # The record itself is read once more, which shows whether all behind it is still there.
        last = after
        late: list[Record] = []
        iterator = await self._iterator(lane, self._span.start if after is None else Position(sequence_number=after))
        while iterator is not None:
            started_ms = self._clock.now_ms()
            try:
                answer = await self._call(lane, "get_records", ShardIterator=iterator, Limit=PAGE_RECORDS)
            except ClientError as error:
                if error.response["Error"]["Code"] != _EXPIRED:
                    raise explain(error, service="Kinesis", where=self._where(lane)) from error
                # Good for five minutes: what the page before asked for took longer at this rate.
                place = self._span.start if last is None else Position(sequence_number=last)
                iterator, late = await self._iterator(lane, place), []
                continue
            records = [_record(one) for one in answer["Records"]]
            if after is not None and records:
                self._look_for_gap(lane, after, records[0])
                after = None
            fresh = [one for one in records if last is None or int(one.sequence_number) > int(last)]
            wanted, late = self._cut([*late, *fresh])
            if wanted:
                last = wanted[-1].sequence_number
                yield wanted
            if self._is_at_end(fresh, late, answer, started_ms):
                return
            iterator = answer.get("NextShardIterator")
            await self._pace(started_ms, sum(len(one.data) for one in records))

    def _cut(self, records: Sequence[Record]) -> tuple[Sequence[Record], list[Record]]:
        """Cut behind the last record that came by the end; those before it belong to it, whenever they came."""
        behind = [self._span.end.is_before(one.sequence_number, one.arrived_epoch_ms) for one in records]
        count = len(records) - behind[::-1].index(False) if False in behind else 0
        return records[:count], list(records[count:])

    def _is_at_end(
        self, fresh: Sequence[Record], late: Sequence[Record], answer: Mapping[str, Any], now_ms: int
    ) -> bool:
        """Tell whether nothing can follow; a read may find nothing although there is something behind."""
        behind_ms: int = answer.get("MillisBehindLatest", 0)
        if not behind_ms:
            return bool(late) or not fresh
        if self._span.end.epoch_ms is None:
            return bool(late)
        read_until_ms = late[-1].arrived_epoch_ms if late else now_ms - behind_ms
        return bool(late or not fresh) and read_until_ms > self._span.end.epoch_ms + EDGE_SECONDS * 1000

    async def _pace(self, started_ms: int, size: int) -> None:
        seconds = max(1 / CALLS_PER_SECOND, size / BYTES_PER_SECOND) - (self._clock.now_ms() - started_ms) / 1000
        if seconds > 0:
            await self._clock.sleep(seconds)

    async def _iterator(self, lane: str, place: Position) -> str | None:
        try:
            answer = await self._call(
                lane, "get_shard_iterator", StreamName=self._stream, ShardId=lane, **place.iterator()
            )
        except ClientError as error:
            if place.sequence_number is not None and error.response["Error"]["Code"] in _NO_SUCH_PLACE:
                if place not in {self._span.start, self._span.end}:
                    raise OutOfReachError(
                        f"{lane}: the stream doesn't keep the record any more at which it was, {place.words}: "
                        "--restart reads what it has"
                    ) from error
                raise ConfigurationError(
                    f"{place.words} is none of {lane}, or the stream doesn't keep its record any more: "
                    "a time, or trim-horizon, finds the oldest that it has"
                ) from error
            raise explain(error, service="Kinesis", where=self._where(lane)) from error
        iterator: str | None = answer["ShardIterator"]
        return iterator

    async def _call(self, lane: str, operation: str, **arguments: Any) -> Mapping[str, Any]:
        """Make a call that only reads, again and again while it is throttled.

        Raises:
            ClientError: it is refused.
            OutOfReachError: there is no answer, or only throttling for too long.
        """
        started_ms, failures = self._clock.now_ms(), 0
        while True:
            try:
                # Blocks the loop, on which nothing else runs; Ctrl-C waits for the answer.
                answer: Mapping[str, Any] = getattr(self._client, operation)(**arguments)
            except ClientError as error:
                if error.response["Error"]["Code"] not in TRANSIENT_AWS_CODES:
                    raise
                if self._clock.now_ms() - started_ms > GIVE_UP_SECONDS * 1000:
                    raise explain(error, service="Kinesis", where=self._where(lane)) from error
            except BotoCoreError as error:
                if self._clock.now_ms() - started_ms > GIVE_UP_SECONDS * 1000:
                    raise explain(error, service="Kinesis", where=self._where(lane)) from error
            else:
                return answer
            await self._clock.sleep(self._backoff.seconds(failures))
            failures += 1

    def _look_for_gap(self, lane: str, after: str, first: Record) -> None:
        if first.sequence_number != after:
            self._say(f"{lane}: the stream has dropped the record at which it was stopped, and perhaps some behind it")

    def _where(self, lane: str) -> str:
        return f"shard {lane} of stream {self._stream}"


def _record(answer: Mapping[str, Any]) -> Record:
    return Record(
        sequence_number=answer["SequenceNumber"],
        arrived_epoch_ms=round(answer["ApproximateArrivalTimestamp"].timestamp() * 1000),
        data=answer["Data"],
    )

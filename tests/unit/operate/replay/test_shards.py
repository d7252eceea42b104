"""Reading shards: how fast, from where, and when that ends; on time that only sleeping moves."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from dropslot.core.errors import ConfigurationError
from dropslot.engine.backoff import Backoff
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.replay.position import Position, Span
from dropslot.operate.replay.shards import BYTES_PER_SECOND, CALLS_PER_SECOND, GIVE_UP_SECONDS, ShardSource
from dropslot.operate.shards import Shard, Stream
from tests.unit.operate.replay.past import RestlessClock

NOW_MS = 1_760_000_000_000
ALL = Span(start=Position(), end=Position(epoch_ms=NOW_MS))


class OneShard:
    """Answers as Kinesis does for one shard, whose records arrived a second apart up to now.

    Args:
        clock: time.
        count: how many records it has got; their sequence numbers count from 1.
        page: records in one answer.
        size: bytes of each.
        trimmed: how many of them it doesn't keep any more.
        empty: answers without a record before each with some.
        grows: how many more there are at each read.
        stamped: in what other second some of them arrived than all others do, by sequence number.
    """

    def __init__(
        self,
        clock: RestlessClock,
        *,
        count: int,
        page: int = 10,
        size: int = 1,
        trimmed: int = 0,
        empty: int = 0,
        grows: int = 0,
        stamped: Mapping[int, int] | None = None,
    ) -> None:
        self._clock = clock
        self._count = count
        self._page = page
        self._size = size
        self._trimmed = trimmed
        self._empty = empty
        self._grows = grows
        self._stamped = stamped if stamped is not None else {}
        self._started_at = NOW_MS / 1000 - count
        self.expires_at = count + 1_000
        self.idle = 0
        self.forgets = False
        self.troubles: list[Exception] = []
        self.read_at_ms: list[int] = []

    def get_shard_iterator(self, **arguments: Any) -> dict[str, Any]:
        """Answer."""
        if self.forgets:
            raise answered("InvalidArgumentException")
        start = int(arguments.get("StartingSequenceNumber", 0))
        return {"ShardIterator": str(max(start, self._trimmed + 1))}

    def get_records(self, *, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803 - boto3's own names
        """Answer."""
        assert Limit <= 10_000
        if self.troubles:
            raise self.troubles.pop(0)
        self.read_at_ms.append(self._clock.now_ms())
        first = int(ShardIterator)
        if first >= self.expires_at:
            self.expires_at = self._count + 1_000
            raise answered("ExpiredIteratorException")
        self._count += self._grows
        self.idle = (self.idle + 1) % (self._empty + 1)
        last = first - 1 if self.idle else min(first + self._page - 1, self._count)
        return {
            "Records": [
                {
                    "SequenceNumber": str(number),
                    "ApproximateArrivalTimestamp": datetime.fromtimestamp(
                        self._started_at + self._stamped.get(number, number), UTC
                    ),
                    "Data": b"x" * self._size,
                }
                for number in range(first, last + 1)
            ],
            "NextShardIterator": str(last + 1),
            "MillisBehindLatest": self._behind_ms(last) if last < self._count else 0,
        }

    def _behind_ms(self, number: int) -> int:
        return self._clock.now_ms() - round((self._started_at + number) * 1000)


class Shards:
    """What a stream says of its shards."""

    def __init__(self, parents: Mapping[str, tuple[str, ...]]) -> None:
        self._parents = parents

    def shards(self) -> Mapping[str, Shard]:
        """See `Stream.shards`."""
        return {
            shard_id: Shard(shard_id=shard_id, parents=parents, closed=False)
            for shard_id, parents in self._parents.items()
        }


class Reading:
    """A source over a shard, and what it said."""

    def __init__(self, shard: str | None = None, span: Span = ALL, **shard_has: Any) -> None:
        self.clock = RestlessClock(NOW_MS)
        self.shard = OneShard(self.clock, **{"count": 30, **shard_has})
        self.said: list[str] = []
        shards = Shards({"d": ("b", "c"), "a": (), "b": ("a",), "c": ("a",), "e": ("lost",)})
        self.source = ShardSource(
            cast("Any", self.shard),
            "requests",
            shards=cast("Stream", shards),
            shard=shard,
            span=span,
            clock=self.clock,
            backoff=Backoff(),
            say=self.said.append,
        )

    def numbers(self, *, after: str | None = None) -> list[int]:
        """Read all of the shard."""

        async def read() -> list[int]:
            pages = self.source.pages("a", after=after)
            return [int(record.sequence_number) async for page in pages for record in page]

        return asyncio.run(read())


def answered(code: str) -> ClientError:
    """Return an error that Kinesis answers with."""
    return ClientError({"Error": {"Code": code, "Message": ""}}, "GetRecords")


def test_parents_come_first() -> None:
    """Given shards that were split and merged, each comes behind those it came from, if the stream still has them."""
    lanes = list(Reading().source.lanes())

    assert sorted(lanes) == ["a", "b", "c", "d", "e"]
    assert lanes.index("a") < min(lanes.index("b"), lanes.index("c"))
    assert lanes.index("d") > max(lanes.index("b"), lanes.index("c"))


def test_one_shard_can_be_chosen() -> None:
    """Given a shard, it is the only one; given one that isn't there, those that are, are named."""
    assert Reading(shard="c").source.lanes() == ["c"]
    with pytest.raises(ConfigurationError, match="has no shard z; it has a, b, c, d, e"):
        Reading(shard="z").source.lanes()


@pytest.mark.parametrize(
    ("span", "numbers"),
    [
        (ALL, range(1, 31)),
        (Span(start=Position(sequence_number="7"), end=Position(sequence_number="12")), range(7, 13)),
        (Span(start=Position(), end=Position(epoch_ms=NOW_MS - 5_000)), range(1, 26)),
        (Span(start=Position(), end=Position(epoch_ms=NOW_MS - 50_000)), range(0)),
    ],
    ids=["all", "from one record to another", "to a time", "to a time before all"],
)
def test_what_is_read(span: Span, numbers: range) -> None:
    """Given both ends, what lies between them is read once, in order."""
    assert Reading(span=span).numbers() == list(numbers)


@pytest.mark.parametrize("page", [1, 3, 10])
@pytest.mark.parametrize("expires", [False, True])
@pytest.mark.parametrize(
    ("stamped", "last"), [({}, 40), ({43: 39}, 43), ({43: 39, 45: 40}, 45), ({70: 39}, 40)], ids=str
)
def test_arrival_times_that_fall_hide_nothing_at_the_end(
    page: int, stamped: Mapping[int, int], last: int, *, expires: bool
) -> None:
    """Given a record that came by the end and lies behind some that came later, it is read, once, and so are these.

    Unless it lies far behind: then the end has long been found.
    """
    reading = Reading(
        span=Span(start=Position(), end=Position(epoch_ms=NOW_MS - 60_000)), count=100, page=page, stamped=stamped
    )
    if expires:
        reading.shard.expires_at = 44

    assert reading.numbers() == list(range(1, last + 1))
    assert len(reading.shard.read_at_ms) <= 60 / page + 2


def test_a_stream_that_grows_is_read_to_its_tip() -> None:
    """Given an end that is now, when records go on coming, then those that are there are looked at, and no more."""
    reading = Reading(grows=2)

    assert reading.numbers() == list(range(1, 31))
    assert len(reading.shard.read_at_ms) <= 5


def test_answers_without_records_are_no_end() -> None:
    """Given a shard whose answers are empty now and then although there is more, all of it is read."""
    assert Reading(empty=2).numbers() == list(range(1, 31))


def test_an_end_in_the_past_ends_a_wait_for_records() -> None:
    """Given answers that stay empty but come closer, the replay ends where they have passed its end."""
    reading = Reading(span=Span(start=Position(), end=Position(epoch_ms=NOW_MS - 50_000)), empty=1)

    assert reading.numbers() == []
    assert len(reading.shard.read_at_ms) == 1


@pytest.mark.parametrize(("page", "size"), [(5, 1), (1, 3_000_000)])
def test_a_consumer_is_left_half_of_a_shards_reads(page: int, size: int) -> None:
    """Given a shard of many small answers, or of large ones, neither calls nor bytes pass half of what it allows."""
    reading = Reading(count=20, page=page, size=size)

    reading.numbers()

    apart = [
        (after - before) / 1000
        for before, after in zip(reading.shard.read_at_ms, reading.shard.read_at_ms[1:], strict=False)
    ]
    assert min(apart) >= max(1 / CALLS_PER_SECOND, page * size / BYTES_PER_SECOND) - 0.001


@pytest.mark.parametrize(
    "trouble",
    [
        answered("ProvisionedThroughputExceededException"),
        answered("InternalFailure"),
        answered("ExpiredIteratorException"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    ],
    ids=["throttled", "fault", "expired iterator", "no answer"],
)
def test_what_passes_is_sat_out(trouble: Exception) -> None:
    """Given troubles in the middle, all is read, once."""
    reading = Reading()
    reading.shard.troubles = [trouble] * 3

    assert reading.numbers() == list(range(1, 31))


def test_a_stream_that_takes_nothing_is_given_up() -> None:
    """Given throttling without an end, it says so after a while."""
    reading = Reading()
    reading.shard.troubles = [answered("ProvisionedThroughputExceededException")] * 1_000

    with pytest.raises(OutOfReachError, match="shard a of stream requests keeps answering"):
        reading.numbers()
    assert GIVE_UP_SECONDS <= (reading.clock.now_ms() - NOW_MS) / 1000 < GIVE_UP_SECONDS + 10


def test_it_goes_on_behind_a_record() -> None:
    """Given the last record that was handled, those behind it are read, and nothing is missing."""
    reading = Reading()

    assert reading.numbers(after="12") == list(range(13, 31))
    assert reading.said == []


def test_records_that_went_while_it_was_stopped_are_told() -> None:
    """Given a stream that has dropped the record at which it stopped, and more, it says so and reads what is left."""
    reading = Reading(trimmed=20)

    assert reading.numbers(after="12") == list(range(21, 31))
    assert reading.said == ["a: the stream has dropped the record at which it was stopped, and perhaps some behind it"]


@pytest.mark.parametrize(
    ("after", "error"), [(None, ConfigurationError), ("9", OutOfReachError)], ids=["where it starts", "where it was"]
)
def test_a_record_that_is_not_kept_any_more_is_told(after: str | None, error: type[Exception]) -> None:
    """Given a place that the stream doesn't know, it is the operator's mistake, unless the replay was there itself."""
    reading = Reading(span=Span(start=Position(sequence_number="7"), end=Position(sequence_number="12")))
    reading.shard.forgets = True

    with pytest.raises(error, match="sequence number"):
        reading.numbers(after=after)

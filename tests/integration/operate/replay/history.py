"""A stream with a past: requests of every class, their change records over split and merged shards, and their items."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from dropslot.core import names
from dropslot.local.relay.record import TTL_IDENTITY, partition_key
from tests.unit.core.images import Image, data, image, record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient

HOUR_MS: Final = 3_600_000
#: Limit of PutRecords, and of BatchWriteItem.
_RECORDS: Final = 500
_ITEMS: Final = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A request, or what isn't one, as table and stream tell of it.

    Args:
        key: of its item.
        records: payloads, the oldest first.
        kinds: the class of each.
        item: as it is now; None for none.
        attempt: the highest that it has had.
    """

    key: str
    records: Sequence[bytes]
    kinds: Sequence[str]
    item: Image | None = None
    attempt: int = 0


def _status(status: str, index: int) -> str:
    return f"{status}-{names.SPREAD_DIGITS[index % 16]}"


class Author:
    """Writes requests of each class.

    Args:
        table: name of the table.
        now_ms: epoch milliseconds.
    """

    def __init__(self, table: str, now_ms: int) -> None:
        self._table = table
        self._now_ms = now_ms
        self._accepted_at = now_ms - 2 * HOUR_MS

    def image(self, index: int, status: str = names.PENDING, **attributes: Any) -> Image:
        """Return an image of a request."""
        at = self._accepted_at + index
        given = {"accepted_at": at, "due_at": at, "status": _status(status, index), "type": f"t{index % 3}"}
        return image(f"-#t{index % 3}#r-{index:06}", **{**given, **attributes})

    def change(self, new: Image | None, old: Image | None = None, **fields: Any) -> bytes:
        """Return a change record's payload."""
        return data(record(new, old, table=self._table) | fields)

    def overdue(self, index: int) -> Told:
        """A request whose record was lost by a consumer."""
        item = self.image(index)
        return self._told(index, item, [self.change(item)], ["would_run"])

    def due(self, index: int) -> Told:
        """A request that has waited long enough."""
        new = self.image(index)
        item = self.image(index, names.WAITING, tries=1, last_error="busy", due_at=self._now_ms - 60_000)
        return self._told(index, item, [self.change(new), self.change(item, new)], ["would_run", "ours"])

    def under_way(self, index: int) -> Told:
        """A request that was redriven just now."""
        new, item = self.image(index), self.image(index, attempt=1, due_at=self._now_ms)
        return self._told(index, item, [self.change(new), self.change(item, new)], ["under_way", "superseded"])

    def waiting(self, index: int) -> Told:
        """A request that waits."""
        new = self.image(index)
        item = self.image(index, names.WAITING, tries=1, last_error="busy", due_at=self._now_ms + HOUR_MS)
        return self._told(index, item, [self.change(new), self.change(item, new)], ["waiting", "ours"])

    def failed(self, index: int) -> Told:
        """A request that failed."""
        new, item = self.image(index), self.image(index, names.FAILED, error="KeyError: 'dish'")
        return self._told(index, item, [self.change(new), self.change(item, new)], ["failed", "ours"])

    def done(self, index: int) -> Told:
        """A request that is done at its second attempt."""
        new, again = self.image(index), self.image(index, attempt=1)
        item = self.image(index, names.DONE, attempt=1, ttl=(self._now_ms + 24 * HOUR_MS) // 1000, result="[1]")
        changes = [self.change(new), self.change(again, new), self.change(item, again)]
        return self._told(index, item, changes, ["done", "superseded", "ours"])

    def expired(self, index: int) -> Told:
        """A request that was done at its second attempt, and expired."""
        new, again = self.image(index), self.image(index, attempt=1)
        last = self.image(index, names.DONE, attempt=1, ttl=self._now_ms // 1000 - 60, result="[1]")
        changes = [
            self.change(new),
            self.change(again, new),
            self.change(last, again),
            self.change(None, last, userIdentity=TTL_IDENTITY),
        ]
        return self._told(index, None, changes, ["gone", "superseded", "ours", "ours"], attempt=1)

    def deleted(self, index: int) -> Told:
        """A request that somebody asked to be forgotten."""
        new = self.image(index)
        return self._told(index, None, [self.change(new), self.change(None, new)], ["gone", "ours"])

    def succeeded(self, index: int) -> Told:
        """A request that expired and whose id was used again."""
        new, item = self.image(index), self.image(index, accepted_at=self._now_ms, due_at=self._now_ms)
        changes = [self.change(new), self.change(None, new, userIdentity=TTL_IDENTITY), self.change(item)]
        return self._told(index, item, changes, ["superseded", "ours", "under_way"])

    def foreign(self, index: int) -> Told:
        """Records that are no change of a request."""
        changes = [b"\xff not JSON", data(record(self.image(index), table="another"))]
        return Told(key=f"foreign-{index}", records=changes, kinds=["foreign", "foreign"])

    def _told(
        self, index: int, item: Image | None, records: Sequence[bytes], kinds: Sequence[str], attempt: int | None = None
    ) -> Told:
        shown = item if item is not None else self.image(index)
        highest = attempt if attempt is not None else int(shown["attempt"]["N"])
        return Told(key=shown["id"]["S"], records=records, kinds=kinds, item=item, attempt=highest)


#: Writes a request with a number.
Kind = Callable[[Author, int], Told]

KINDS: Final[Sequence[Kind]] = (
    Author.overdue,
    Author.done,
    Author.due,
    Author.failed,
    Author.done,
    Author.under_way,
    Author.expired,
    Author.waiting,
    Author.done,
    Author.succeeded,
    Author.deleted,
    Author.foreign,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All of it, in table and stream.

    Args:
        told: each request.
        numbers: of the records, by shard, in order.
    """

    told: Sequence[Told]
    numbers: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def classes(self) -> Counter[str]:
        """How many records are in each class."""
        return Counter(kind for told in self.told for kind in told.kinds)

    def keys(self, *kinds: Kind) -> set[str]:
        """Return the keys of all requests that these have written."""
        return {told.key for index, told in enumerate(self.told) if KINDS[index % len(KINDS)] in kinds}


def authored(records: int, table: str) -> Sequence[Told]:
    """Return requests with at least so many records, of all classes in turn."""
    author = Author(table, time.time_ns() // 1_000_000)
    told: list[Told] = []
    while sum(len(one.records) for one in told) < records:
        told.append(KINDS[len(told) % len(KINDS)](author, len(told)))
    return told


def happened(
    told: Sequence[Told],
    *,
    dynamodb: "DynamoDBClient",
    table: str,
    kinesis: "KinesisClient",
    stream: str,
    reshards: bool = True,
) -> History:
    """Put all of it into a new table and a new stream of two shards.

    Args:
        told: what is to be told.
        dynamodb: where the table is.
        table: its name.
        kinesis: where the stream is.
        stream: its name.
        reshards: one shard is split meanwhile, and its half merged with the other.
    """
    put_items(dynamodb, table, [one.item for one in told if one.item is not None])
    numbers: dict[str, list[str]] = {}
    left = [_merge, _split] if reshards else []
    # All first records come before all second ones, so that most requests tell of themselves in several shards.
    for phase in zip_longest(*(one.records for one in told)):
        keyed = [(one.key, payload) for one, payload in zip(told, phase, strict=True) if payload is not None]
        for shard, number in put_records(kinesis, stream, keyed):
            numbers.setdefault(shard, []).append(number)
        if left:
            left.pop()(kinesis, stream)
    return History(told=told, numbers=numbers)


def put_items(client: "DynamoDBClient", table: str, items: Sequence[Image]) -> None:
    """Place items."""
    for start in range(0, len(items), _ITEMS):
        writes: Any = [{"PutRequest": {"Item": item}} for item in items[start : start + _ITEMS]]
        client.batch_write_item(RequestItems={table: writes})


def put_records(client: "KinesisClient", stream: str, keyed: Sequence[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
    """Put records, each with the key of its item; yield shard and sequence number of each."""
    for start in range(0, len(keyed), _RECORDS):
        entries: Any = [
            {"Data": payload, "PartitionKey": partition_key({"id": {"S": key}})}
            for key, payload in keyed[start : start + _RECORDS]
        ]
        answer = client.put_records(StreamName=stream, Records=entries)
        assert answer["FailedRecordCount"] == 0
        yield from ((one["ShardId"], one["SequenceNumber"]) for one in answer["Records"])


def _split(client: "KinesisClient", stream: str) -> None:
    client.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(1 << 126))
    _wait_until_active(client, stream)


def _merge(client: "KinesisClient", stream: str) -> None:
    client.merge_shards(
        StreamName=stream, ShardToMerge="shardId-000000000003", AdjacentShardToMerge="shardId-000000000001"
    )
    _wait_until_active(client, stream)


def _wait_until_active(client: "KinesisClient", stream: str) -> None:
    client.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1, "MaxAttempts": 20})

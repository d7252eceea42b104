"""The change feed: from the table's changes to records in shards, with all that may happen on the way."""

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dropslot.adapters.requests.rows import Item
from dropslot.core import names
from tests.simulation.faults import Faults
from tests.simulation.loop import Loop
from tests.simulation.table import NOBODY

TABLE = "requests"

_encode = msgspec.json.Encoder().encode

_FOREIGN = (b"", b"{}", b"not json", b'{"eventName":"INSERT","tableName":"other","dynamodb":{}}', b"\xff\xfe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record in a shard; besides what it carries, what the checker must know of it.

    Args:
        sequence_number: its place.
        data: its payload.
        arrived_ms: epoch milliseconds.
        id: of the request, "" for a foreign record.
        accepted_at: generation of the request.
        attempt: in the new image.
        asks: it asks for a run.
        by_hand: it tells that somebody deleted the request.
    """

    sequence_number: int
    data: bytes
    arrived_ms: int
    id: str
    accepted_at: int
    attempt: int
    asks: bool
    by_hand: bool


@dataclass(slots=True, eq=False)
class StreamShard:
    """A shard of the stream.

    Args:
        id: its name.
        depth: how often the stream was split to get it.
        slot: which part of the keys of that depth it has.
    """

    id: str
    depth: int
    slot: int
    parent: "StreamShard | None" = None
    closed: bool = False
    records: list[Record] = field(default_factory=list)
    readers: list[Callable[[], None]] = field(default_factory=list)

    def takes(self, key: int) -> bool:
        """Tell whether a record with this key goes here."""
        return key % (1 << self.depth) == self.slot


class Feed:
    """The stream and its way there.

    Args:
        loop: time.
        faults: decide what happens on the way.
        source: of the delays.
        shards: how many there are at first, 1 or 2.
    """

    def __init__(self, loop: Loop, faults: Faults, source: random.Random, shards: int) -> None:
        self._loop = loop
        self._faults = faults
        self._source = source
        self._last_number = 0
        self._latest: dict[str, float] = {}
        self.under_way = 0
        depth = shards - 1
        self.shards = [StreamShard(f"shard-{slot}", depth, slot) for slot in range(shards)]

    def changed(self, old: Item | None, new: Item | None, *, expired: bool) -> None:
        """Take a change of the table.

        Args:
            old: the item before.
            new: the item now.
            expired: it was deleted by its time to live.
        """
        now, strikes = self._loop.time(), self._faults.strikes
        if strikes("skips", 0.1, now):
            return
        image = new if new is not None else old
        assert image is not None
        data = _change_record(old, new, now_ms=self._loop.now_ms(), expired=expired)
        about = _about(old, new, expired=expired)
        key = about[0]
        copies = 1
        while copies < 4 and strikes("duplicates", 0.25, now):
            copies += 1
        for _ in range(copies):
            delay = self._source.uniform(0.02, 0.2)
            if strikes("delay", 0.15, now):
                delay += self._source.choice((2, 10, 60))
            at = now + delay
            if strikes("reorder", 0.3, now):
                at += self._source.uniform(0, 8)
            elif copies == 1:
                at = self._latest[key] = max(at, self._latest.get(key, 0.0))
            self.under_way += 1
            self._loop.call_at(at, self._arrive, key, data, about, context=NOBODY)
        if strikes("foreign", 0.2, now):
            self.under_way += 1
            data = self._source.choice(_FOREIGN)
            self._loop.call_later(0.1, self._arrive, key, data, ("", 0, 0, False, False), context=NOBODY)

    def split(self, shard: StreamShard) -> None:
        """Split a shard: it takes no more records, its two children do."""
        shard.closed = True
        for slot in (shard.slot, shard.slot + (1 << shard.depth)):
            self.shards.append(StreamShard(f"{shard.id}.{slot}", shard.depth + 1, slot, parent=shard))
        for wake in shard.readers:
            wake()

    def _arrive(self, key: str, data: bytes, about: tuple[str, int, int, bool, bool]) -> None:
        self.under_way -= 1
        number = zlib.crc32(key.encode())
        shard = next(shard for shard in self.shards if not shard.closed and shard.takes(number))
        self._last_number += 1
        request_id, accepted_at, attempt, asks, by_hand = about
        shard.records.append(
            Record(
                sequence_number=self._last_number,
                data=data,
                arrived_ms=self._loop.now_ms(),
                id=request_id,
                accepted_at=accepted_at,
                attempt=attempt,
                asks=asks,
                by_hand=by_hand,
            )
        )
        for wake in shard.readers:
            wake()


def _about(old: Item | None, new: Item | None, *, expired: bool) -> tuple[str, int, int, bool, bool]:
    """Return id, generation and attempt of a change, whether it asks for a run, and whether it is a deletion by hand.

    That is the rule of what asks for a run, written a second time.
    """
    image = new if new is not None else old
    assert image is not None
    attempt = int(image[names.ATTEMPT]["N"]) if names.ATTEMPT in image else 0
    asks = (
        new is not None
        and names.STATUS in new
        and names.REQUEST in new
        and new[names.STATUS]["S"].startswith(names.PENDING)
        and names.TTL not in new
        and names.ERROR not in new
        and (old is None or attempt > int(old[names.ATTEMPT]["N"]))
    )
    accepted_at = int(image[names.ACCEPTED_AT]["N"]) if names.ACCEPTED_AT in image else 0
    return image[names.ID]["S"], accepted_at, attempt, asks, new is None and not expired


def _change_record(old: Item | None, new: Item | None, *, now_ms: int, expired: bool) -> bytes:
    dynamodb: dict[str, Any] = {"ApproximateCreationDateTime": now_ms * 1000}
    if new is not None:
        dynamodb["NewImage"] = new
    if old is not None:
        dynamodb["OldImage"] = old
    event = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
    identity = {"type": "Service", "principalId": "dynamodb.amazonaws.com"} if expired else None
    return _encode({"eventName": event, "tableName": TABLE, "userIdentity": identity, "dynamodb": dynamodb})

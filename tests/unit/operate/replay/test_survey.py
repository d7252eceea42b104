"""What is known of requests that are gone: whatever the records tell, in whatever order they come."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.local.relay.record import TTL_IDENTITY
from dropslot.operate.replay.acting import Actions
from dropslot.operate.replay.carrier import Carrier
from dropslot.operate.replay.filters import Filters
from dropslot.operate.replay.ledger import Header, Ledger
from dropslot.operate.replay.position import Position, Span
from dropslot.operate.replay.progress import Meter
from dropslot.operate.replay.reading import Reader
from dropslot.operate.replay.report import tell_nobody
from dropslot.operate.replay.source import Source
from dropslot.operate.replay.survey import Survey
from dropslot.operate.replay.tail import FRESH_SECONDS, Tail
from dropslot.operate.screen import Screen
from tests.unit.core.images import ACCEPTED_AT_MS, TABLE, data, image, record
from tests.unit.operate.replay.past import MemorySource, RestlessClock, TwinRows

NOW_MS = ACCEPTED_AT_MS + 7_200_000
HEADER = Header(command={}, started_at=0, span=Span(start=Position(), end=Position(epoch_ms=NOW_MS)))
FORCE = Actions(force=True, grace_ms=300_000)
KEY = "-#orders#1"

NEW, DONE = image(KEY), image(KEY, attempt=4, status="done-a", ttl=5)
INSERTED, SETTLED = data(record(NEW)), data(record(DONE, image(KEY, attempt=4)))
EXPIRED, DELETED = data(record(None, DONE) | {"userIdentity": TTL_IDENTITY}), data(record(None, DONE))
#: The id was used again, and what it was used for was deleted.
NEXT_DELETED = data(record(None, image(KEY, accepted_at=ACCEPTED_AT_MS + 5)))


def looked(payloads: Sequence[bytes]) -> Survey:
    """Make a first pass over a lane; the table is empty."""
    source = MemorySource({"a": payloads}, page=1)
    reader = Reader(
        source,
        TwinRows(MemoryRequests()),
        table_name=TABLE,
        filters=Filters(),
        clock=RestlessClock(NOW_MS),
        grace_ms=0,
    )
    meter = Meter(Screen(as_json=True), None, end_epoch_ms=0)
    carrier = Carrier(source=source, reader=reader, ledger=Ledger(HEADER), meter=meter)
    return asyncio.run(carrier.look(FORCE, tell_nobody))


@pytest.mark.parametrize(
    ("payloads", "attempt", "by_hand"),
    [
        ((INSERTED, SETTLED), 4, None),
        ((INSERTED, SETTLED, EXPIRED), 4, False),
        ((INSERTED, DELETED), 4, True),
        ((INSERTED, DELETED, EXPIRED), 4, True),
        ((INSERTED, EXPIRED, NEXT_DELETED), 4, True),
    ],
    ids=["nobody tells", "expired", "deleted", "deleted, restored, expired", "expired, used again, deleted"],
)
def test_all_that_the_records_tell_counts(payloads: Sequence[bytes], attempt: int, *, by_hand: bool | None) -> None:
    """Given records in any order, the highest attempt is known, and whether somebody deleted the request."""
    for order in permutations(payloads):
        gone = looked(order).gone[KEY]
        assert (gone.attempt, gone.by_hand) == (attempt, by_hand)


@pytest.mark.parametrize(
    ("payloads", "stream", "documents"),
    [((INSERTED,), True, False), ((INSERTED, EXPIRED), True, True), ((INSERTED, DELETED), False, False)],
    ids=["nobody tells", "expired", "deleted"],
)
def test_what_tells_no_deletions_brings_nothing_back_unnamed(
    payloads: Sequence[bytes], *, stream: bool, documents: bool
) -> None:
    """Given a request that is gone, it comes back when the stream tells of no deletion, or when it is named.

    Documents tell of none in any case, so from these it must have expired, or be named.
    """
    gone = looked(payloads).gone[KEY]
    deaf = replace(FORCE, hears_deletions=False)

    assert FORCE.comes_back(KEY, gone) == stream
    assert deaf.comes_back(KEY, gone) == documents
    assert replace(deaf, named=frozenset({KEY})).comes_back(KEY, gone)


def test_a_deletion_counts_however_late_its_record_comes() -> None:
    """Given records behind those of the first pass, they are read on, lane by lane, and no more often than need be."""
    clock, ends = RestlessClock(NOW_MS), list[int]()
    lanes = {"a": [INSERTED]}
    survey = looked(lanes["a"])

    def until(end_ms: int) -> Source:
        ends.append(end_ms)
        return MemorySource(lanes)

    tail = Tail(survey, until, table_name=TABLE, clock=clock)

    lanes["a"].append(SETTLED)
    asyncio.run(tail.catch_up())
    assert (survey.gone[KEY].attempt, survey.gone[KEY].by_hand) == (4, None)
    # The shard was split.
    lanes["a"].append(b"foreign")
    lanes["b"] = [DELETED]
    asyncio.run(tail.catch_up())
    assert survey.gone[KEY].by_hand is None
    asyncio.run(clock.sleep(FRESH_SECONDS))
    asyncio.run(tail.catch_up())

    assert survey.gone[KEY].by_hand is True
    assert ends == [NOW_MS, NOW_MS + round(FRESH_SECONDS * 1000)]
    assert survey.positions == {"a": "3", "b": "1"}
    assert not FORCE.comes_back(KEY, survey.gone[KEY])


def test_nothing_is_read_on_for_nobody() -> None:
    """Given nothing that is gone, the stream is left alone."""

    def until(end_ms: int) -> Source:
        raise AssertionError(end_ms)

    asyncio.run(Tail(Survey(), until, table_name=TABLE, clock=RestlessClock(NOW_MS)).catch_up())

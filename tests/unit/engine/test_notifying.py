"""Who is told of what a batch of the stream settles."""

import itertools
from functools import partial

import pytest

from dropslot.adapters.counters import MemoryCounters
from dropslot.core.turn import Turn
from dropslot.engine import notifying
from dropslot.engine.notifying import Notifier
from dropslot.engine.pushing import push_all
from dropslot.engine.stream_record import StreamRecord
from tests.unit.core.images import ACCEPTED_AT_MS, TABLE, data, image, record
from tests.unit.engine.doubles import asynchronous
from tests.unit.engine.feedback import Clients, FlakyWatches


class Stand:
    """A notifier, who watches, and what they were told."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.watches = FlakyWatches(self.journal)
        self.clients = Clients(self.journal)
        self.counters = MemoryCounters()
        self.notifier = Notifier(table=TABLE, watches=self.watches, pusher=self.clients, counters=self.counters)
        self._numbers = itertools.count(1)

    def settled(self, item_id: str, **attributes: str | int) -> StreamRecord:
        """Return the record of an outcome."""
        new = image(item_id, **{"status": "done-a", "ttl": 5, **attributes})
        return self.raw(data(record(new, image(item_id))))

    def raw(self, payload: bytes) -> StreamRecord:
        """Return a record of this payload."""
        return StreamRecord(sequence_number=str(next(self._numbers)), data=payload, arrived_epoch_seconds=1.0)

    def watch(self, item_id: str, *connections: str, accepted_at: int = ACCEPTED_AT_MS, attempt: int = 0) -> None:
        """Have connections watch a request that they saw unsettled in this turn."""
        turn = Turn(accepted_at=accepted_at, attempt=attempt)
        self.watches.watches |= {(item_id, connection): turn for connection in connections}


@asynchronous
async def test_all_who_watch_are_told_and_watch_no_more() -> None:
    """Given two watchers of one request and one of another, then each gets its own outcome, once."""
    stand = Stand()
    stand.watch("c#orders#a", "one", "two")
    stand.watch("c#hooks#b", "two")
    first = stand.settled("c#orders#a", result='{"ticket":1}')
    second = stand.settled("c#hooks#b", status="failed-a", error="no")
    assert await stand.notifier.notify([first, second]) == []
    told = {"id": "a", "type": "orders", "status": "done", "result": {"ticket": 1}}
    assert stand.clients.told("one") == [told]
    failed = {"id": "b", "type": "hooks", "status": "failed", "error": "no"}
    assert sorted(stand.clients.told("two"), key=lambda frame: str(frame["id"])) == [told, failed]
    assert stand.watches.watches == {}
    assert await stand.notifier.notify([first, second]) == []
    assert len(stand.clients.sent) == 3


@asynchronous
async def test_what_nobody_watches_is_no_news() -> None:
    """Given outcomes without watchers, records of other kinds and nonsense, then nothing is pushed or left open."""
    stand = Stand()
    stand.watch("c#orders#a", "one")
    records = [
        stand.settled("c#orders#b"),
        stand.raw(data(record(image("c#orders#a")))),
        stand.raw(b"nonsense"),
        stand.settled("no-key-of-the-api"),
    ]
    assert await stand.notifier.notify(records) == []
    assert stand.clients.sent == []
    assert stand.watches.watches.keys() == {("c#orders#a", "one")}
    assert stand.counters.totals() == {}


@asynchronous
async def test_a_request_that_was_settled_twice_is_told_once_as_it_stands() -> None:
    """Given a failure, a redrive and a success in one batch, then the watcher hears of the success."""
    stand = Stand()
    stand.watch("c#orders#a", "one")
    failed = stand.settled("c#orders#a", status="failed-a", error="no")
    await stand.notifier.notify([failed, stand.settled("c#orders#a", attempt=1)])
    assert [frame["status"] for frame in stand.clients.told("one")] == ["done"]


@asynchronous
async def test_a_repeat_of_an_outcome_before_another_changes_nothing() -> None:
    """Given a success, and behind it the repeated failure that an operator redrove, then the success is told."""
    stand = Stand()
    stand.watch("c#orders#a", "one")
    done = stand.settled("c#orders#a", attempt=1)
    await stand.notifier.notify([done, stand.settled("c#orders#a", status="failed-a", error="no")])
    assert [frame["status"] for frame in stand.clients.told("one")] == ["done"]


@asynchronous
async def test_an_outcome_from_before_a_watch_does_not_end_it() -> None:
    """Given a request that was redriven and is watched again, when its first outcome arrives late, then nobody hears.

    The next outcome is told all the same: the watch was kept.
    """
    stand = Stand()
    stand.watch("c#orders#a", "one", attempt=1)
    assert await stand.notifier.notify([stand.settled("c#orders#a", status="failed-a", error="no")]) == []
    assert stand.clients.sent == []
    assert stand.counters.totals() == {"push_stale": 1}
    await stand.notifier.notify([stand.settled("c#orders#a", attempt=1)])
    assert [frame["status"] for frame in stand.clients.told("one")] == ["done"]
    assert stand.watches.watches == {}


@asynchronous
async def test_an_outcome_of_a_deleted_request_does_not_end_the_watch_of_the_next() -> None:
    """Given an id that is used again, when the former request's outcome arrives, at whatever attempt, nobody hears."""
    stand = Stand()
    stand.watch("c#orders#a", "one", accepted_at=ACCEPTED_AT_MS + 1)
    former = image("c#orders#a", attempt=5)
    outcome = image("c#orders#a", attempt=5, status="done-a", ttl=5)
    assert await stand.notifier.notify([stand.raw(data(record(outcome, former)))]) == []
    assert stand.clients.sent == []
    assert stand.watches.watches.keys() == {("c#orders#a", "one")}


@asynchronous
async def test_of_two_watchers_the_one_from_before_the_outcome_is_told() -> None:
    """Given a watcher from before a failure and one from after the redrive, then the failure is the first one's."""
    stand = Stand()
    stand.watch("c#orders#a", "early")
    stand.watch("c#orders#a", "late", attempt=1)
    await stand.notifier.notify([stand.settled("c#orders#a", status="failed-a", error="no")])
    assert [connection for connection, _ in stand.clients.sent] == ["early"]
    assert stand.watches.watches.keys() == {("c#orders#a", "late")}


@asynchronous
async def test_watches_are_forgotten_before_their_watchers_are_told() -> None:
    """Given a client that watches again the moment it is told, then that watch isn't forgotten with the first."""
    stand = Stand()
    stand.watch("c#orders#a", "one")
    await stand.notifier.notify([stand.settled("c#orders#a")])
    assert stand.journal == ["forget", "push"]


@asynchronous
async def test_only_what_could_not_be_looked_up_is_left() -> None:
    """Given watchers of one request that can't be told, then its record comes back, and all others were told."""
    stand = Stand()
    for name in "abc":
        stand.watch(f"c#orders#{name}", "one")
    stand.watches.unknown = {"c#orders#b"}
    records = [stand.settled(f"c#orders#{name}") for name in "abc"]
    assert await stand.notifier.notify(records) == [records[1]]
    assert sorted(frame["id"] for frame in stand.clients.told("one")) == ["a", "c"]
    assert stand.watches.watches.keys() == {("c#orders#b", "one")}

    stand.watches.unknown = set()
    assert await stand.notifier.notify(records[1:]) == []
    assert sorted(frame["id"] for frame in stand.clients.told("one")) == ["a", "b", "c"]


@asynchronous
async def test_watches_that_cannot_be_forgotten_keep_nobody_from_being_told() -> None:
    """Given a table that takes no deletes, then the frames go out, and the stream goes on."""
    stand = Stand()
    stand.watch("c#orders#a", "one")
    stand.watches.cannot_forget = True
    assert await stand.notifier.notify([stand.settled("c#orders#a")]) == []
    assert len(stand.clients.told("one")) == 1


@asynchronous
async def test_a_push_that_fails_is_not_repeated() -> None:
    """Given clients that are gone or don't take it, then the record is resolved, and no watch of them is left."""
    stand = Stand()
    stand.watch("c#orders#a", "gone", "failing", "fine")
    stand.clients.gone, stand.clients.failing = {"gone"}, {"failing"}
    assert await stand.notifier.notify([stand.settled("c#orders#a")]) == []
    assert len(stand.clients.told("fine")) == 1
    assert stand.watches.watches == {}
    assert stand.counters.totals() == {"pushed": 1, "push_gone": 1, "push_failed": 1}


@asynchronous
async def test_a_gone_client_costs_a_batch_one_push() -> None:
    """Given a gone client that watched all of a batch, then it is asked once, its watches go, and another hears all."""
    stand = Stand()
    stand.clients.gone = {"gone"}
    names = [f"c#orders#{number}" for number in range(100)]
    for name in names:
        stand.watch(name, "gone", "fine")
    assert await stand.notifier.notify([stand.settled(name) for name in names]) == []
    assert stand.clients.asked.count("gone") == 1
    assert len(stand.clients.told("fine")) == 100
    assert stand.watches.watches == {}


@asynchronous
async def test_who_is_gone_is_not_connected_any_more() -> None:
    """Given watchers of which some are gone, then these alone are unknown from then on, whatever else they watch."""
    stand = Stand()
    for name in ("gone", "failing", "slow", "fine"):
        await stand.watches.connect(name, "c")
        stand.watch("c#orders#a", name)
    stand.watch("c#orders#later", "gone")
    stand.clients.gone, stand.clients.failing, stand.clients.slow = {"gone"}, {"failing"}, {"slow"}
    assert await stand.notifier.notify([stand.settled("c#orders#a")]) == []
    assert stand.watches.connected.keys() == {"failing", "slow", "fine"}
    assert stand.watches.watches.keys() == {("c#orders#later", "gone")}


@asynchronous
async def test_connections_that_cannot_be_forgotten_keep_the_stream_from_nothing() -> None:
    """Given a table that takes no deletes when a client is gone, then the record is resolved."""
    stand = Stand()
    await stand.watches.connect("gone", "c")
    stand.watch("c#orders#a", "gone", "fine")
    stand.clients.gone, stand.watches.cannot_forget = {"gone"}, True
    assert await stand.notifier.notify([stand.settled("c#orders#a")]) == []
    assert len(stand.clients.told("fine")) == 1
    assert stand.watches.connected.keys() == {"gone"}


@asynchronous
async def test_stuck_watchers_of_one_request_keep_nobody_else_from_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more watchers of a first request that don't read than time is for, then each other request's is told."""
    stand = Stand()
    monkeypatch.setattr(notifying, "push_all", partial(push_all, seconds=0.5))
    stand.clients.stuck = {f"stuck-{number}" for number in range(200)}
    stand.watch("c#orders#stuck", *stand.clients.stuck)
    names = [f"c#orders#{number}" for number in range(50)]
    for name in names:
        stand.watch(name, f"of-{name}")
    assert await stand.notifier.notify([stand.settled(name) for name in ("c#orders#stuck", *names)]) == []
    assert {connection for connection, _ in stand.clients.sent} == {f"of-{name}" for name in names}
    assert stand.counters.totals() == {"pushed": 50, "push_dropped": 200}


@asynchronous
async def test_a_thousand_watchers_of_one_request_are_all_told() -> None:
    """Given a burst, then each gets its frame."""
    stand = Stand()
    stand.watch("c#orders#a", *(str(number) for number in range(1_000)))
    await stand.notifier.notify([stand.settled("c#orders#a")])
    assert len({connection for connection, _ in stand.clients.sent}) == 1_000

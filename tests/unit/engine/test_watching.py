"""What a client that wants to watch is answered, and what is kept of it."""

import json
from collections.abc import Coroutine

import pytest

from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.core.errors import TransientError
from dropslot.core.feedback import CONNECTION_MAX_WATCHES
from dropslot.core.turn import Turn
from dropslot.engine.watching import Watching
from tests.unit.core.images import ACCEPTED_AT_MS, image
from tests.unit.engine.doubles import asynchronous
from tests.unit.engine.feedback import Clients, FlakyWatches, NotedStandings


class Stand:
    """One connection of caller `c`, called `one`, over a table of requests."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.watches = FlakyWatches(self.journal)
        self.watches.connected["one"] = "c"
        self.watches._claimed["one"] = 0
        self.requests = MemoryRequests()
        self.standings = NotedStandings(self.requests, self.journal)
        self.clients = Clients(self.journal)
        self.counters = MemoryCounters()
        self.watching = Watching(
            watches=self.watches, standings=self.standings, pusher=self.clients, counters=self.counters
        )

    async def watch(self, *ids: str, type_name: str = "orders", connection: str = "one") -> None:
        """Watch requests."""
        await self.watching.watch(connection, json.dumps({"action": "watch", "type": type_name, "ids": ids}))

    def statuses(self) -> dict[str, str]:
        """Return what the connection was told last of each id."""
        return {frame["id"]: frame["status"] for frame in self.clients.told("one")}


@asynchronous
async def test_each_request_is_answered_and_the_unsettled_stay_watched() -> None:
    """Given requests in each status and some that aren't there, then each gets one frame; only unsettled ones stay."""
    stand = Stand()
    stand.requests.put(image("c#orders#a"))
    stand.requests.put(image("c#orders#b", status="waiting-a", last_error="later"))
    stand.requests.put(image("c#orders#c", status="failed-a", error="no"))
    stand.requests.put(image("c#orders#d", status="done-a", ttl=5, result='{"ticket":1}'))
    stand.requests.put(image("c#hooks#e"))
    await stand.watch("a", "b", "c", "d", "e")
    assert sorted(stand.clients.told("one"), key=lambda frame: str(frame["id"])) == [
        {"id": "a", "type": "orders", "status": "pending"},
        {"id": "b", "type": "orders", "status": "waiting"},
        {"id": "c", "type": "orders", "status": "failed", "error": "no"},
        {"id": "d", "type": "orders", "status": "done", "result": {"ticket": 1}},
        {"id": "e", "type": "orders", "status": "unknown"},
    ]
    assert stand.watches.watches.keys() == {("c#orders#a", "one"), ("c#orders#b", "one")}


@asynchronous
async def test_a_note_is_made_before_the_last_look() -> None:
    """Given the order of calls, then an outcome between the two is seen or told; answers come when both are done."""
    stand = Stand()
    stand.requests.put(image("c#orders#a"))
    stand.requests.put(image("c#orders#b", status="done-a", ttl=5))
    await stand.watch("a", "b")
    assert stand.journal == ["read", "register", "read", "push", "push"]


@asynchronous
async def test_what_is_settled_or_unknown_is_not_written_down() -> None:
    """Given nothing that is unsettled, then a message makes no row, however many ids it holds."""
    stand = Stand()
    stand.requests.put(image("c#orders#b", status="done-a", ttl=5))
    await stand.watch("b", *(f"x{number}" for number in range(99)))
    assert set(stand.journal) == {"read", "push"}
    assert len(stand.clients.told("one")) == 100


@asynchronous
async def test_a_note_says_in_which_turn_the_request_was_seen_unsettled() -> None:
    """Given requests that were redriven, then what was settled before they were can be told from what is to come."""
    stand = Stand()
    stand.requests.put(image("c#orders#a", attempt=2))
    stand.requests.put(image("c#orders#b", accepted_at=7, attempt=0))
    await stand.watch("a", "b")
    assert stand.watches.watches == {
        ("c#orders#a", "one"): Turn(accepted_at=ACCEPTED_AT_MS, attempt=2),
        ("c#orders#b", "one"): Turn(accepted_at=7, attempt=0),
    }


@asynchronous
async def test_an_outcome_that_is_written_while_a_note_is_made_is_the_answer() -> None:
    """Given requests that are settled or deleted between the looks, then the answer says so, and no watch is left."""
    stand = Stand()
    for name in "abc":
        stand.requests.put(image(f"c#orders#{name}"))

    def meanwhile() -> None:
        stand.requests.put(image("c#orders#a", status="failed-a", error="no"))
        del stand.requests.items["c#orders#b"]

    stand.standings.before = [lambda: None, meanwhile]
    await stand.watch("a", "b", "c")
    assert stand.statuses() == {"a": "failed", "b": "unknown", "c": "pending"}
    assert stand.watches.watches.keys() == {("c#orders#c", "one")}
    assert stand.journal[:4] == ["read", "register", "read", "forget"]


@asynchronous
async def test_another_caller_s_requests_are_as_unknown_as_none() -> None:
    """Given ids of another caller, also by tricks with the separator, then frames are as those of missing ids."""
    stand = Stand()
    stand.requests.put(image("d#orders#a", status="done-a", ttl=5, result='"secret"'))
    stand.requests.put(image("c#hooks#x"))
    await stand.watch("a", "missing", "d#orders#a", "../d#orders#a")
    await stand.watch("x", type_name="d#orders")
    await stand.watch("x", type_name="orders#../hooks")
    frames = stand.clients.told("one")
    assert {frame["status"] for frame in frames} == {"unknown"}
    assert all(set(frame) == {"id", "type", "status"} for frame in frames)
    assert stand.watches.watches == {}


@asynchronous
async def test_repeats_are_answered_again_and_kept_once() -> None:
    """Given a message with repeats, twice, then each message brings one frame, and there is one watch."""
    stand = Stand()
    stand.requests.put(image("c#orders#a"))
    await stand.watch("a", "a", "a")
    await stand.watch("a")
    assert len(stand.clients.told("one")) == 2
    assert stand.watches.watches.keys() == {("c#orders#a", "one")}


@asynchronous
async def test_a_hundred_ids_of_two_types() -> None:
    """Given the most ids in each of two messages, then all are answered under their own type."""
    stand = Stand()
    ids = [f"a{number}" for number in range(100)]
    for type_name in ("orders", "hooks"):
        for one in ids:
            stand.requests.put(image(f"c#{type_name}#{one}"))
        await stand.watch(*ids, type_name=type_name)
    answered = {(frame["type"], frame["id"], frame["status"]) for frame in stand.clients.told("one")}
    assert answered == {(type_name, one, "pending") for type_name in ("orders", "hooks") for one in ids}
    assert len(stand.watches.watches) == 200
    assert stand.counters.totals() == {"watched": 200, "pushed": 200}


@asynchronous
async def test_a_message_that_is_none_is_told_so_and_costs_nothing() -> None:
    """Given nonsense, then the client learns what is right, and no table was called."""
    stand = Stand()
    await stand.watching.watch("one", "nonsense")
    (told,) = stand.clients.told("one")
    assert told["error"] == "bad_message"
    assert stand.journal == ["push"]


@asynchronous
async def test_a_connection_that_nobody_knows_is_to_connect_again() -> None:
    """Given a connection whose row is gone, then it watches nothing under nobody's name."""
    stand = Stand()
    await stand.watches.disconnect("one")
    stand.requests.put(image("c#orders#a"))
    await stand.watch("a")
    assert [frame["error"] for frame in stand.clients.told("one")] == ["not_connected"]
    assert stand.watches.watches == {}


@asynchronous
async def test_one_connection_cannot_fill_the_table() -> None:
    """Given a connection that has watched all it may, then it is told to connect again, and nothing is kept."""
    stand = Stand()
    await stand.watches.claim("one", CONNECTION_MAX_WATCHES - 1, limit=CONNECTION_MAX_WATCHES)
    stand.requests.put(image("c#orders#a"))
    await stand.watch("a")
    await stand.watch("b")
    assert [frame.get("error", frame.get("status")) for frame in stand.clients.told("one")] == [
        "pending",
        "too_many_watches",
    ]
    assert stand.watches.watches.keys() == {("c#orders#a", "one")}


@asynchronous
async def test_a_connection_that_closes_between_leaves_no_watch() -> None:
    """Given a client that is gone when its answer comes, then what it watched is forgotten, and who it was."""
    stand = Stand()
    stand.requests.put(image("c#orders#a"))
    stand.clients.gone = {"one"}
    await stand.watch("a", "b")
    assert stand.watches.watches == {}
    assert stand.watches.connected == {}


@asynchronous
async def test_a_connection_that_closes_before_it_is_refused_is_forgotten() -> None:
    """Given a client that is gone when it is told what was wrong, then nobody is known by its connection."""
    stand = Stand()
    stand.clients.gone = {"one"}
    await stand.watching.watch("one", "nonsense")
    assert stand.watches.connected == {}


@asynchronous
async def test_a_connection_that_closes_and_cannot_be_forgotten_is_served() -> None:
    """Given a client that is gone and a table that takes no deletes, then its message is done with."""
    stand = Stand()
    stand.requests.put(image("c#orders#a"))
    stand.clients.gone, stand.watches.cannot_forget = {"one"}, True
    await stand.watch("a")
    assert stand.watches.connected == {"one": "c"}


@asynchronous
async def test_watches_that_cannot_be_forgotten_are_answered_all_the_same() -> None:
    """Given a table that takes no deletes, then the client gets its answer."""
    stand = Stand()
    stand.requests.put(image("c#orders#a"))
    stand.standings.before = [lambda: None, stand.requests.items.clear]
    stand.watches.cannot_forget = True
    await stand.watch("a")
    assert stand.statuses() == {"a": "unknown"}
    assert "forget" not in stand.journal


@asynchronous
async def test_a_last_look_that_fails_is_no_answer_and_loses_no_watch() -> None:
    """Given a table that goes out of reach after the note, then nobody is told what isn't known, and the note stays."""
    stand = Stand()
    stand.requests.put(image("c#orders#a"))

    def fail() -> None:
        raise TransientError("out of reach")

    stand.standings.before = [lambda: None, fail]
    with pytest.raises(TransientError):
        await stand.watch("a")
    assert stand.clients.sent == []
    assert stand.watches.watches.keys() == {("c#orders#a", "one")}


@pytest.mark.parametrize("where", ["register", "read", "claim"])
@asynchronous
async def test_a_table_out_of_reach_is_no_answer(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a table out of reach, then nothing is pushed that isn't known, and the caller of the function learns it."""
    stand = Stand()
    stand.requests.put(image("c#orders#a"))

    def failing(*_: object, **__: object) -> Coroutine[None, None, None]:
        async def fail() -> None:
            raise TransientError("out of reach")

        return fail()

    monkeypatch.setattr(stand.standings if where == "read" else stand.watches, where, failing)
    with pytest.raises(TransientError):
        await stand.watch("a")
    assert stand.clients.sent == []

"""A client that watches while its request is settled, redriven and told of, in every order that chance finds."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.memory_standings import MemoryStandings
from dropslot.adapters.watches.memory import MemoryWatches
from dropslot.core.feedback import Standing
from dropslot.core.turn import Turn
from dropslot.engine.notifying import Notifier
from dropslot.engine.stream_record import StreamRecord
from dropslot.engine.watching import Watching
from tests.unit.core.images import ACCEPTED_AT_MS, TABLE, data, image, record
from tests.unit.engine.feedback import Clients

ID: Final = "c#orders#a"
Move = Literal["go on", "delete", "deliver", "repeat"]
#: What happens at one point of time: the request goes on, or the stream brings outcomes for the first time or again.
MOVES: Final = st.lists(st.sampled_from(get_args(Move)), max_size=4)


class HookedStandings(MemoryStandings):
    """Has something happen before each look.

    Args:
        requests: the table.
        happen: called before each look.
    """

    def __init__(self, requests: MemoryRequests, happen: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().__init__(requests)
        self._happen = happen

    async def read(self, ids: Sequence[str]) -> Mapping[str, Standing]:
        """Let it happen, then look."""
        await self._happen()
        return await super().read(ids)


class HookedWatches(MemoryWatches):
    """Has something happen before watches are noted.

    Args:
        happen: called before that.
    """

    def __init__(self, happen: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().__init__()
        self._happen = happen

    async def register(self, connection: str, turns: Mapping[str, Turn]) -> None:
        """Let it happen, then note."""
        await self._happen()
        await super().register(connection, turns)


class World:
    """One request that only fails and is redriven, the records of its failures, and one client.

    Args:
        moments: what happens before the first look, before the note, and before the last look.
    """

    def __init__(self, moments: Sequence[list[Move]]) -> None:
        self._moments = iter(moments)
        self.requests = MemoryRequests()
        self.watches = HookedWatches(self._next_moment)
        self.clients = Clients([])
        self.records: list[StreamRecord] = []
        #: How many of them the stream has brought.
        self.delivered = 0
        #: In which turn the client's message found the request.
        self.begun_at = ""
        self._lives = itertools.count(ACCEPTED_AT_MS)
        self._accept()
        counters = MemoryCounters()
        self.notifier = Notifier(table=TABLE, watches=self.watches, pusher=self.clients, counters=counters)
        standings = HookedStandings(self.requests, self._next_moment)
        self.watching = Watching(watches=self.watches, standings=standings, pusher=self.clients, counters=counters)

    @property
    def turn(self) -> str:
        """The request's turn, so that a later one is greater as a text, too."""
        item = self.requests.items[ID]
        return f"{item['accepted_at']['N']}/{item['attempt']['N']:>04}"

    async def happen(self, moves: list[Move]) -> None:
        """Do these, one after the other."""
        for move in moves:
            match move:
                case "go on":
                    self._go_on()
                case "delete":
                    self._accept()
                case "deliver":
                    await self.deliver()
                case "repeat":
                    await self.notifier.notify(list(reversed(self.records)))

    def settle(self) -> None:
        """Let the request fail if it hasn't."""
        if "error" not in self.requests.items[ID]:
            self._go_on()

    async def deliver(self) -> None:
        """Bring what the stream hasn't brought yet."""
        brought, self.delivered = self.delivered, len(self.records)
        await self.notifier.notify(self.records[brought:])

    async def _next_moment(self) -> None:
        await self.happen(next(self._moments))
        if not self.begun_at:
            self.begun_at = self.turn

    def _accept(self) -> None:
        self.requests.put(image(ID, accepted_at=next(self._lives)))

    def _go_on(self) -> None:
        old = self.requests.items[ID]
        life, attempt = int(old["accepted_at"]["N"]), int(old["attempt"]["N"])
        if "error" in old:
            self.requests.put(image(ID, accepted_at=life, attempt=attempt + 1))
            return
        new = image(ID, accepted_at=life, attempt=attempt, status="failed-a", error=self.turn)
        self.requests.put(new)
        number = len(self.records) + 1
        payload = data(record(new, old))
        self.records.append(StreamRecord(sequence_number=str(number), data=payload, arrived_epoch_seconds=1.0))


@settings(max_examples=300)
@given(moments=st.tuples(MOVES, MOVES, MOVES), after=MOVES)
def test_a_watch_hears_of_an_outcome_and_of_none_from_before(
    moments: tuple[list[Move], ...], after: list[Move]
) -> None:
    """Given any order of outcomes, redrives, deletions and deliveries around a watch, then nothing older ends it.

    And if the answer isn't an outcome, then one is told.
    """

    async def play() -> None:
        world = World(moments)
        await world.watches.connect("one", "c")
        await world.watching.watch("one", '{"action":"watch","type":"orders","ids":["a"]}')
        *early, answer = world.clients.told("one")
        await world.happen(after)
        world.settle()
        await world.deliver()
        late = world.clients.told("one")[len(early) + 1 :]
        if answer["status"] == "pending":
            assert early or late
        assert all(frame["error"] >= world.begun_at for frame in (*early, *late))

    asyncio.run(play())

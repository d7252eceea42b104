"""Answers clients that want to watch requests: how each stands now, and a note of who is to be told later.

A first look finds what is unsettled, and in which turn: the note says so, lest the stream tell an outcome from before.
A second look follows the note: an outcome that is written before it is in the answer, one after it is told by the
stream, and none is missed.
"""

from collections.abc import Mapping, Sequence
from logging import getLogger
from typing import Final

from dropslot.core.errors import TransientError
from dropslot.core.feedback import CONNECTION_MAX_WATCHES, Fault, Standing, fault_frame, standing_frame
from dropslot.core.names import item_id
from dropslot.core.watch import parse_watch
from dropslot.engine.feedback_ports import Pusher, Refusal, Standings, Watches
from dropslot.engine.ports import Counters
from dropslot.engine.push_order import Push
from dropslot.engine.pushing import push_all

_log: Final = getLogger(__name__)

#: What counters call them.
WATCHED: Final = "watched"
FAULTS: Final = "watch_fault"

_REFUSALS: Final = {
    Refusal.NOT_CONNECTED: Fault("not_connected", "This connection isn't known any more. Connect again."),
    Refusal.TOO_MANY: Fault(
        "too_many_watches", f"One connection can watch {CONNECTION_MAX_WATCHES} requests in its life. Connect again."
    ),
}


class Watching:
    """Serves messages of connections.

    Args:
        watches: takes the notes.
        standings: the look.
        pusher: carries the answers.
        counters: what became of it.
    """

    def __init__(self, *, watches: Watches, standings: Standings, pusher: Pusher, counters: Counters) -> None:
        self._watches = watches
        self._standings = standings
        self._pusher = pusher
        self._counters = counters

    async def watch(self, connection: str, text: str) -> None:
        """Serve a message that wants to watch: one frame for each request, or one that says what is wrong.

        Args:
            connection: where it came from, and where the answer goes.
            text: as it came.

        Raises:
            TransientError: a table is out of reach; the client has got no answer, and may have watches.
        """
        watch = parse_watch(text)
        if isinstance(watch, Fault):
            await self.refuse(connection, watch)
            return
        caller = await self._watches.claim(connection, len(watch.ids), limit=CONNECTION_MAX_WATCHES)
        if isinstance(caller, Refusal):
            await self.refuse(connection, _REFUSALS[caller])
            return
        keys = {public_id: item_id(caller, watch.type, public_id) for public_id in watch.possible_ids}
        standings = await self._note(connection, await self._standings.read(list(keys.values())))
        pushes = [
            Push(
                connection=connection,
                about=item_id(caller, watch.type, public_id),
                frame=standing_frame(watch.type, public_id, standings.get(keys.get(public_id, ""))),
            )
            for public_id in watch.ids
        ]
        self._counters.add(WATCHED, len(pushes))
        if await push_all(self._pusher, pushes, self._counters):
            await self._forget(connection, [key for key, standing in standings.items() if not standing.settled])
            await self._forget_connection(connection)

    async def _note(self, connection: str, seen: Mapping[str, Standing]) -> Mapping[str, Standing]:
        """Note who waits for what was seen unsettled; return how all stand once that is done."""
        turns = {key: standing.turn for key, standing in seen.items() if not standing.settled}
        if not turns:
            return seen
        await self._watches.register(connection, turns)
        now = await self._standings.read(list(turns))
        # Before the answer: a client that watches again because of it must not lose that watch.
        await self._forget(connection, [key for key in turns if key not in now or now[key].settled])
        return {key: standing for key, standing in seen.items() if standing.settled} | dict(now)

    async def refuse(self, connection: str, fault: Fault) -> None:
        """Say what is wrong with a message."""
        self._counters.add(FAULTS)
        push = Push(connection=connection, about="", frame=fault_frame(fault))
        if await push_all(self._pusher, [push], self._counters):
            await self._forget_connection(connection)

    async def _forget(self, connection: str, keys: Sequence[str]) -> None:
        try:
            await self._watches.forget([(key, connection) for key in keys])
        except TransientError as error:
            # They go by their age; at worst somebody is told twice.
            _log.warning("watches_left", extra={"error": str(error)})

    async def _forget_connection(self, connection: str) -> None:
        try:
            await self._watches.disconnect(connection)
        except TransientError as error:
            # It goes by its age.
            _log.warning("connections_left", extra={"error": str(error)})

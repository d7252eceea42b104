"""Tells those who watch a request that it is settled, as the stream brings it: quickly, or not at all.

A push is a convenience: a client that got none asks. So nothing here is worth holding up the stream for; only when
nobody can say who watches is a record to be delivered again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from logging import getLogger
from typing import Final

from dropslot.core.errors import TransientError
from dropslot.core.feedback import Standing, split_id, standing_frame
from dropslot.core.settlement import settlement
from dropslot.core.turn import Turn
from dropslot.engine.crowd import each
from dropslot.engine.feedback_ports import Pusher, Watches
from dropslot.engine.ports import Counters
from dropslot.engine.push_order import Push
from dropslot.engine.pushing import push_all
from dropslot.engine.stream_record import StreamRecord

_log: Final = getLogger(__name__)

#: Counts who wasn't told, since what came was from before the watch.
STALE: Final = "push_stale"

LOOKUPS_AT_ONCE: Final = 16
#: Of all in a batch together.
LOOKUPS_SECONDS: Final = 5.0


class Notifier:
    """Works through batches of the stream.

    Args:
        table: name of the table of requests.
        watches: who is to be told.
        pusher: tells them.
        counters: what became of it.
    """

    def __init__(self, *, table: str, watches: Watches, pusher: Pusher, counters: Counters) -> None:
        self._table = table
        self._watches = watches
        self._pusher = pusher
        self._counters = counters

    async def notify(self, records: Sequence[StreamRecord]) -> Sequence[StreamRecord]:
        """Push what the records settle, each request's last word once.

        Returns:
            The records whose watchers couldn't be looked up, in their order: nobody was told of them.
        """
        settlements = [(record, settlement(record.data, self._table)) for record in records]
        standings = _latest(standing for _, standing in settlements if standing is not None)
        found = await self._look_up(list(standings))
        watchers = {one: self._who_waits_for(standings[one].turn, them) for one, them in found.items()}
        # Before they are told: a client that watches again at once, since somebody redrove its request, must not lose
        # that watch.
        await self._forget([(one, connection) for one, them in watchers.items() for connection in them])
        pushes = [
            Push(connection=connection, about=one, frame=frame)
            for one, them in watchers.items()
            if them and (frame := _frame(standings[one])) is not None
            for connection in them
        ]
        await self._forget_connections(await push_all(self._pusher, pushes, self._counters))
        return [record for record, standing in settlements if standing is not None and standing.id not in found]

    def _who_waits_for(self, turn: Turn, them: Mapping[str, Turn]) -> Sequence[str]:
        waiting = [connection for connection, first in them.items() if first <= turn]
        if len(waiting) < len(them):
            # The stream repeats, and may be late: an outcome from before a watch doesn't end it.
            self._counters.add(STALE, len(them) - len(waiting))
        return waiting

    async def _look_up(self, ids: Sequence[str]) -> dict[str, Mapping[str, Turn]]:
        watchers: dict[str, Mapping[str, Turn]] = {}

        async def look_up(item_id: str) -> None:
            try:
                watchers[item_id] = await self._watches.watchers(item_id)
            except TransientError as error:
                _log.warning("watchers_unknown", extra={"error": str(error)})

        if not await each(ids, look_up, at_once=LOOKUPS_AT_ONCE, seconds=LOOKUPS_SECONDS):
            _log.warning("watchers_unknown", extra={"error": f"{len(watchers)} of {len(ids)} in {LOOKUPS_SECONDS:g} s"})
        return watchers

    async def _forget(self, watches: Sequence[tuple[str, str]]) -> None:
        try:
            await self._watches.forget(watches)
        except TransientError as error:
            # They go by their age; at worst somebody is told twice.
            _log.warning("watches_left", extra={"error": str(error)})

    async def _forget_connections(self, connections: Collection[str]) -> None:
        try:
            await self._watches.forget_connections(connections)
        except TransientError as error:
            # They go by their age; at worst somebody who has gone is pushed to once more.
            _log.warning("connections_left", extra={"error": str(error)})


def _latest(standings: Iterable[Standing]) -> dict[str, Standing]:
    latest: dict[str, Standing] = {}
    for standing in standings:
        if standing.id not in latest or latest[standing.id].turn < standing.turn:
            latest[standing.id] = standing
    return latest


def _frame(standing: Standing) -> bytes | None:
    names = split_id(standing.id)
    return standing_frame(*names, standing) if names is not None else None

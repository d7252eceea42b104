"""The function behind the stream's second mapping: tells those who watch what is settled."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.tally import Tally
from dropslot.engine.feedback_ports import Pusher, Watches
from dropslot.engine.notifying import Notifier
from dropslot.runtimes.lambda_.event import stream_records
from dropslot.runtimes.lambda_.feedback import Feedback
from dropslot.runtimes.lambda_.feedback_settings import FeedbackSettings
from dropslot.runtimes.lambda_.function import Function


class Notify:
    """Serves batches of the stream.

    Args:
        table: name of the table of requests.
        watches: the table of connections.
        pusher: the API's connections.
    """

    def __init__(self, *, table: str, watches: Watches, pusher: Pusher) -> None:
        counters = MemoryCounters()
        self._tally = Tally(counters.totals, monotonic_seconds=time.monotonic)
        self._notifier = Notifier(table=table, watches=watches, pusher=pusher, counters=counters)

    async def serve(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Serve one batch.

        Returns:
            The partial batch response: the first record whose watchers nobody could tell, from which on Lambda delivers
            the batch again. What couldn't be pushed isn't reported: it would be late anyway.

        Raises:
            UnexpectedEventError: the event is no batch of one shard.
        """
        left = await self._notifier.notify(stream_records(event))
        self._tally.tell()
        return {"batchItemFailures": [{"itemIdentifier": record.sequence_number} for record in left[:1]]}


def notify_function(environment: Mapping[str, str]) -> Function[Notify]:
    """Return the handler of a function that a mapping gives batches of the stream.

    Args:
        environment: of the process; read at the first invocation.
    """
    return Function(environment, read=FeedbackSettings.for_notify, build=partial(_build, environment), serve=_serve)


def _build(environment: Mapping[str, str], settings: FeedbackSettings, _remaining_ms: float) -> Notify:
    feedback = Feedback.open(environment, settings)
    return Notify(table=settings.table, watches=feedback.watches, pusher=feedback.pusher)


async def _serve(notify: Notify, event: Mapping[str, Any], _remaining_ms: float) -> dict[str, Any]:
    return await notify.serve(event)

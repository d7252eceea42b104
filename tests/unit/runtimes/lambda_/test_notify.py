"""The function behind the stream's second mapping: what it reports."""

from collections.abc import Mapping

import pytest

from dropslot.adapters.push.memory import MemoryPusher
from dropslot.adapters.watches.dynamodb import WRITES_SECONDS
from dropslot.adapters.watches.memory import MemoryWatches
from dropslot.core.errors import TransientError
from dropslot.core.mapping import NOTIFY_TIMEOUT_SECONDS
from dropslot.core.turn import Turn
from dropslot.engine.notifying import LOOKUPS_SECONDS
from dropslot.engine.pushing import PUSHES_SECONDS
from dropslot.runtimes.lambda_.event import UnexpectedEventError
from dropslot.runtimes.lambda_.notify import Notify
from tests.unit.core.images import ACCEPTED_AT_MS, TABLE, data, image, record
from tests.unit.engine.doubles import asynchronous
from tests.unit.runtimes.lambda_.feedback import watch_event
from tests.unit.runtimes.lambda_.stand import event, lambda_record

FIRST = Turn(accepted_at=ACCEPTED_AT_MS, attempt=0)


def outcome(name: str, number: int) -> dict[str, object]:
    """Return the record of an outcome."""
    item_id = f"c#orders#{name}"
    change = record(image(item_id, status="done-a", ttl=5), image(item_id))
    return lambda_record(data(change), number, 1_760_000_000.0)


class UnknownWatches(MemoryWatches):
    """Can't look up some requests.

    Args:
        unknown: their ids.
    """

    def __init__(self, unknown: set[str]) -> None:
        super().__init__()
        self._unknown = unknown

    async def watchers(self, item_id: str) -> Mapping[str, Turn]:
        """Look up, if it can be."""
        if item_id in self._unknown:
            raise TransientError("out of reach")
        return await super().watchers(item_id)


@asynchronous
async def test_outcomes_are_pushed_and_resolved() -> None:
    """Given outcomes and a record that is none, then the batch is resolved as a whole."""
    watches, pusher = MemoryWatches(), MemoryPusher()
    await watches.register("one", {"c#orders#a": FIRST})
    broken = lambda_record("*", 3, 1_760_000_000.0)
    answer = await Notify(table=TABLE, watches=watches, pusher=pusher).serve(
        event(outcome("a", 1), outcome("b", 2), broken)
    )
    assert answer == {"batchItemFailures": []}
    assert pusher.sent == [("one", b'{"id":"a","type":"orders","status":"done"}')]


@asynchronous
async def test_gone_clients_are_no_failure() -> None:
    """Given a watcher that is gone, then the batch is resolved all the same."""
    watches, pusher = MemoryWatches(), MemoryPusher()
    await watches.register("one", {"c#orders#a": FIRST})
    pusher.gone = {"one"}
    assert await Notify(table=TABLE, watches=watches, pusher=pusher).serve(event(outcome("a", 1))) == {
        "batchItemFailures": []
    }


@asynchronous
async def test_the_first_that_cannot_be_looked_up_is_reported() -> None:
    """Given two records whose watchers nobody can tell, then Lambda is to go on from the first of them."""
    watches = UnknownWatches({"c#orders#b", "c#orders#c"})
    answer = await Notify(table=TABLE, watches=watches, pusher=MemoryPusher()).serve(
        event(*(outcome(name, number) for number, name in enumerate("abc", 1)))
    )
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}


@asynchronous
async def test_an_event_of_something_else_is_an_error() -> None:
    """Given a message of a client, then the function isn't set up as it should be, and says so."""
    with pytest.raises(UnexpectedEventError, match="no batch"):
        await Notify(table=TABLE, watches=MemoryWatches(), pusher=MemoryPusher()).serve(watch_event("a"))


def test_the_limits_of_a_batch_fit_into_the_function_s() -> None:
    """Given a batch that uses up each of its limits, then it is answered before the function is cut off."""
    assert LOOKUPS_SECONDS + WRITES_SECONDS + PUSHES_SECONDS < NOTIFY_TIMEOUT_SECONDS - 5

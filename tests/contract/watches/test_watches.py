"""One suite for the table of connections: the memory twin and the way to real DynamoDB Local behave alike."""

import asyncio
import time

import pytest

from dropslot.adapters.watches.dynamodb import DynamoDBWatches
from dropslot.core.errors import TransientError
from dropslot.core.feedback import ROW_SECONDS
from dropslot.core.turn import Turn
from dropslot.engine.feedback_ports import Refusal, Watches
from tests.contract.watches.conftest import RealTable
from tests.unit.engine.doubles import asynchronous

#: As API Gateway makes them.
ONE, OTHER = "L0SM9cOFvHcCIhw=", "L0SM9dOFvHcCIhw="
LIMIT = 100
FIRST = Turn(accepted_at=1_760_000_000_000, attempt=0)


def turns(*ids: str) -> dict[str, Turn]:
    """Return requests that were seen unsettled in their first turn."""
    return dict.fromkeys(ids, FIRST)


@asynchronous
async def test_a_connection_is_its_caller_until_it_goes(watches: Watches) -> None:
    """Given two connections, when one disconnects, then only the other is known."""
    await watches.connect(ONE, "AROA")
    await watches.connect(OTHER, "a1b2c3")
    assert await watches.claim(ONE, 1, limit=LIMIT) == "AROA"
    await watches.disconnect(ONE)
    assert await watches.claim(ONE, 1, limit=LIMIT) is Refusal.NOT_CONNECTED
    assert await watches.claim(OTHER, 1, limit=LIMIT) == "a1b2c3"


@asynchronous
async def test_who_never_connected_is_nobody(watches: Watches) -> None:
    """A claim makes no row, and neither does a goodbye."""
    assert await watches.claim(ONE, 1, limit=LIMIT) is Refusal.NOT_CONNECTED
    await watches.disconnect(ONE)
    assert await watches.claim(ONE, 1, limit=LIMIT) is Refusal.NOT_CONNECTED


@asynchronous
async def test_connections_that_are_gone_are_forgotten_in_any_number(watches: Watches) -> None:
    """Given connections, when many that are gone are forgotten, some known and some not, then the others stay."""
    for connection in (ONE, OTHER):
        await watches.connect(connection, "AROA")
    await watches.register(ONE, turns("c#orders#a"))
    await watches.forget_connections([ONE, *(f"gone-{number}" for number in range(60))])
    assert await watches.claim(ONE, 1, limit=LIMIT) is Refusal.NOT_CONNECTED
    assert await watches.claim(OTHER, 1, limit=LIMIT) == "AROA"
    assert list(await watches.watchers("c#orders#a")) == [ONE]
    await watches.forget_connections([])


@asynchronous
async def test_claims_add_up_to_the_limit_and_no_further(watches: Watches) -> None:
    """Given claims up to the limit, then what would pass it is refused, what fits is not, until it connects anew."""
    await watches.connect(ONE, "AROA")
    assert await watches.claim(ONE, 60, limit=LIMIT) == "AROA"
    assert await watches.claim(ONE, 41, limit=LIMIT) is Refusal.TOO_MANY
    assert await watches.claim(ONE, 40, limit=LIMIT) == "AROA"
    assert await watches.claim(ONE, 1, limit=LIMIT) is Refusal.TOO_MANY
    await watches.connect(ONE, "AROA")
    assert await watches.claim(ONE, 100, limit=LIMIT) == "AROA"


@asynchronous
async def test_claims_at_once_keep_the_limit(watches: Watches) -> None:
    """Given ten claims at once where four fit, then four are granted."""
    await watches.connect(ONE, "AROA")
    claims = await asyncio.gather(*(watches.claim(ONE, 25, limit=LIMIT) for _ in range(10)))
    assert sorted(map(str, claims)) == ["AROA"] * 4 + [str(Refusal.TOO_MANY)] * 6


@asynchronous
async def test_watchers_are_those_who_registered(watches: Watches) -> None:
    """Given two connections that watch, when one registers twice, then each is there once, for its own requests."""
    await watches.register(ONE, turns("c#orders#a", "c#orders#b"))
    await watches.register(OTHER, turns("c#orders#a"))
    await watches.register(ONE, turns("c#orders#a"))
    assert sorted(await watches.watchers("c#orders#a")) == [ONE, OTHER]
    assert list(await watches.watchers("c#orders#b")) == [ONE]
    assert list(await watches.watchers("c#orders#c")) == []


@asynchronous
async def test_a_watch_begins_at_the_turn_it_was_registered_with_last(watches: Watches) -> None:
    """Given watches of one request from other turns and generations on, then each has its own, and the last one's."""
    later, newer = Turn(accepted_at=FIRST.accepted_at, attempt=12), Turn(accepted_at=FIRST.accepted_at + 1, attempt=0)
    await watches.register(ONE, {"c#orders#a": FIRST, "c#orders#b": later})
    await watches.register(OTHER, {"c#orders#a": newer})
    assert await watches.watchers("c#orders#a") == {ONE: FIRST, OTHER: newer}
    assert await watches.watchers("c#orders#b") == {ONE: later}
    await watches.register(ONE, {"c#orders#a": later})
    assert await watches.watchers("c#orders#a") == {ONE: later, OTHER: newer}


@asynchronous
async def test_a_row_from_a_version_without_turns_hears_of_every_outcome(
    real_watches: DynamoDBWatches, shared_connections: RealTable
) -> None:
    """Given a watch from before an update, then whatever comes is later than what it waits for."""
    shared_connections.put({"id": {"S": "c#orders#a"}, "connection": {"S": ONE}, "ttl": {"N": "5"}})
    assert (await real_watches.watchers("c#orders#a"))[ONE] < FIRST


@asynchronous
async def test_who_is_connected_watches_nothing_by_it(watches: Watches) -> None:
    """Given a connection and a caller of the same letters, then the two kinds of rows don't meet."""
    await watches.connect(ONE, "AROA")
    assert list(await watches.watchers(ONE)) == []
    assert list(await watches.watchers("AROA")) == []


@asynchronous
async def test_only_what_is_forgotten_is_gone(watches: Watches) -> None:
    """Given watches, when some are forgotten, and one that never was, then the others stay."""
    await watches.register(ONE, turns("c#orders#a", "c#orders#b"))
    await watches.register(OTHER, turns("c#orders#a"))
    await watches.forget([("c#orders#a", ONE), ("c#orders#never", ONE)])
    assert list(await watches.watchers("c#orders#a")) == [OTHER]
    assert list(await watches.watchers("c#orders#b")) == [ONE]


@asynchronous
async def test_watches_outlast_a_disconnection(watches: Watches) -> None:
    """Given a connection that goes, then its watches are still found: whoever pushes learns that it is gone."""
    await watches.connect(ONE, "AROA")
    await watches.register(ONE, turns("c#orders#a"))
    await watches.disconnect(ONE)
    assert list(await watches.watchers("c#orders#a")) == [ONE]


@asynchronous
async def test_nothing_is_a_number_too(watches: Watches) -> None:
    """Given no ids, then nothing is called and nothing changes."""
    await watches.register(ONE, turns())
    await watches.forget([])
    assert await watches.watchers("c#orders#a") == {}


@asynchronous
async def test_any_number_can_be_registered_and_forgotten(watches: Watches) -> None:
    """Given a hundred requests, which are more than one call takes, then all are watched, and then none."""
    ids = [f"c#orders#{number}" for number in range(100)]
    await watches.register(ONE, turns(*ids))
    assert [list(await watches.watchers(one)) for one in (ids[0], ids[24], ids[25], ids[99])] == [[ONE]] * 4
    await watches.forget([(one, ONE) for one in ids])
    assert [list(await watches.watchers(one)) for one in (ids[0], ids[24], ids[25], ids[99])] == [[]] * 4


@asynchronous
async def test_a_thousand_watchers_are_all_found(watches: Watches) -> None:
    """Given connections whose ids take more than one page of a query, then none is missed."""
    connections = [f"{number:04}" + "x" * 1_016 for number in range(1_050)]
    for start in range(0, len(connections), 50):
        await asyncio.gather(*(watches.register(one, turns("c#orders#a")) for one in connections[start : start + 50]))
    assert sorted(await watches.watchers("c#orders#a")) == connections
    await watches.forget([("c#orders#a", one) for one in connections])
    assert list(await watches.watchers("c#orders#a")) == []


@asynchronous
async def test_every_row_goes_by_its_age(real_watches: DynamoDBWatches, shared_connections: RealTable) -> None:
    """Given a connection and its watch, then both rows expire after the longest life of a connection."""
    now = int(time.time())
    await real_watches.connect(ONE, "AROA")
    await real_watches.register(ONE, turns("c#orders#a"))
    ages = [int(row["ttl"]["N"]) - now for row in shared_connections.rows()]
    assert len(ages) == 2
    assert all(2 * 3600 < ROW_SECONDS <= age <= ROW_SECONDS + 20 for age in ages)


async def cannot_be_used(watches: Watches) -> None:
    """Check that every method raises what its caller repeats."""
    for call in (
        watches.connect(ONE, "AROA"),
        watches.disconnect(ONE),
        watches.claim(ONE, 1, limit=LIMIT),
        watches.register(ONE, turns(*(f"c#orders#{number}" for number in range(60)))),
        watches.watchers("c#orders#a"),
        watches.forget([("c#orders#a", ONE)]),
    ):
        with pytest.raises(TransientError, match=r"connections|never-made"):
            await call


def test_without_a_server_nothing_is_known(unreachable: Watches) -> None:
    """Given no server, then every call may be made later."""
    asyncio.run(cannot_be_used(unreachable))


def test_without_a_table_nothing_is_known(missing: Watches) -> None:
    """Given no table, then nobody is taken for disconnected."""
    asyncio.run(cannot_be_used(missing))

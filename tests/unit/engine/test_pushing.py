"""Many frames to many connections, some of which don't take them."""

import pytest

from dropslot.adapters.counters import MemoryCounters
from dropslot.engine.feedback_ports import Delivery
from dropslot.engine.push_order import Push
from dropslot.engine.pushing import PUSHES_AT_ONCE, push_all
from tests.unit.engine.doubles import asynchronous
from tests.unit.engine.feedback import Clients


def push(connection: str, about: str = "c#orders#a", frame: bytes = b"{}") -> Push:
    """Return a frame for a connection."""
    return Push(connection=connection, about=about, frame=frame)


@asynchronous
async def test_each_gets_its_frame_and_is_counted() -> None:
    """Given connections that take it, are gone and fail, then the others don't mind, and the gone ones are named."""
    clients, counters = Clients([]), MemoryCounters()
    clients.gone, clients.failing = {"b"}, {"c"}
    assert await push_all(clients, [push(one) for one in "abcd"], counters) == {"b"}
    assert clients.sent == [("a", b"{}"), ("d", b"{}")]
    assert counters.totals() == {"pushed": 2, "push_gone": 1, "push_failed": 1}


@asynchronous
async def test_nothing_is_pushed_at_once() -> None:
    """Given no frames, then it ends, and nothing is counted."""
    counters = MemoryCounters()
    assert await push_all(Clients([]), [], counters) == set()
    assert counters.totals() == {}


@asynchronous
async def test_who_is_gone_is_not_asked_again() -> None:
    """Given many frames for a connection that is gone, then it is asked once, for all of them."""
    clients, counters = Clients([]), MemoryCounters()
    clients.gone = {"a"}
    await push_all(clients, [push("a")] * 100, counters)
    assert clients.asked == ["a"]
    assert counters.totals() == {"push_gone": 100}


@asynchronous
async def test_who_is_slow_costs_others_its_time_once() -> None:
    """Given two slow connections with as many frames as all others together, then each of the others gets its frame."""
    clients, counters = Clients([]), MemoryCounters()
    clients.slow = {"slow", "slower"}
    await push_all(clients, [push(one) for number in range(100) for one in (str(number), "slow", "slower")], counters)
    assert len(clients.sent) == 100
    assert (clients.asked.count("slow"), clients.asked.count("slower")) == (1, 1)
    assert counters.totals() == {"pushed": 100, "push_slow": 200}


@asynchronous
async def test_each_connection_s_first_frame_goes_first() -> None:
    """Given many frames for one connection before those of others, then its other ones wait until all have one."""
    clients, counters = Clients([]), MemoryCounters()
    many = [push("a", frame=f"{number}".encode()) for number in range(100)]
    await push_all(clients, [*many, push("b", frame=b"b"), push("c", frame=b"c")], counters)
    assert clients.sent[:3] == [("a", b"0"), ("b", b"b"), ("c", b"c")]
    assert sorted(clients.sent[3:]) == sorted((one.connection, one.frame) for one in many[1:])


@asynchronous
async def test_slow_clients_hold_up_nobody_and_what_is_late_is_dropped() -> None:
    """Given fewer stuck clients than are pushed to at once, then all others get theirs; the stuck are counted."""
    clients, counters = Clients([]), MemoryCounters()
    clients.stuck = {str(number) for number in range(PUSHES_AT_ONCE - 1)}
    assert await push_all(clients, [push(str(number)) for number in range(1_000)], counters, seconds=2) == set()
    assert len(clients.sent) == 1_000 - len(clients.stuck)
    assert counters.totals() == {"pushed": len(clients.sent), "push_dropped": len(clients.stuck)}


@pytest.mark.parametrize("caller", ["a", "c"], ids=["another-caller", "the-same-caller"])
@asynchronous
async def test_any_number_of_stuck_watchers_of_a_request_hold_up_no_other_s(caller: str) -> None:
    """Given more stuck watchers of one request than are pushed to in all the time there is, then all others are told.

    Among the others are clients that watch several requests, and one that many watch.
    """
    clients, counters = Clients([]), MemoryCounters()
    stuck = [push(f"stuck-{number}", f"{caller}#orders#stuck") for number in range(400)]
    clients.stuck = {one.connection for one in stuck}
    others = [push(f"{number % 25}", f"c#orders#{number}") for number in range(50)]
    popular = [push(f"tab-{number}", "c#orders#popular") for number in range(200)]
    await push_all(clients, [*stuck, *others, *popular], counters, seconds=0.5)
    assert sorted(clients.sent) == sorted((one.connection, one.frame) for one in [*others, *popular])
    assert counters.totals() == {"pushed": 250, "push_dropped": 400}


@asynchronous
async def test_stuck_connections_that_watch_much_hold_up_no_other_caller() -> None:
    """Given stuck watchers of most of a batch's requests, then another caller is told of all of its own."""
    clients, counters = Clients([]), MemoryCounters()
    stuck = [push(f"stuck-{number}", f"a#orders#{request}") for request in range(90) for number in range(40)]
    clients.stuck = {one.connection for one in stuck}
    others = [push("fine", f"c#orders#{number}") for number in range(10)]
    await push_all(clients, [*stuck, *others], counters, seconds=0.5)
    assert len(clients.sent) == 10
    assert counters.totals() == {"pushed": 10, "push_dropped": len(stuck)}


@asynchronous
async def test_what_a_push_raises_is_not_taken_for_the_limit() -> None:
    """Given a pusher with a fault, even a time-out of its own, then that is raised."""

    class Broken(Clients):
        async def push(self, connection: str, frame: bytes) -> Delivery:
            raise TimeoutError(connection)

    with pytest.raises(ExceptionGroup) as raised:
        await push_all(Broken([]), [push("a")], MemoryCounters())
    assert raised.group_contains(TimeoutError, match="a")

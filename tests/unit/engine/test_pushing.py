"""Many frames to many connections, some of which don't take them."""

from dropslot.adapters.counters import MemoryCounters
from dropslot.engine.pushing import PUSHES_AT_ONCE, push_all
from tests.unit.engine.doubles import asynchronous
from tests.unit.engine.feedback import Clients


@asynchronous
async def test_each_gets_its_frame_and_is_counted() -> None:
    """Given connections that take it, are gone and fail, then the others don't mind, and the gone ones are named."""
    clients, counters = Clients([]), MemoryCounters()
    clients.gone, clients.failing = {"b"}, {"c"}
    assert await push_all(clients, [(one, b"{}") for one in "abcd"], counters) == {"b"}
    assert clients.sent == [("a", b"{}"), ("d", b"{}")]
    assert counters.totals() == {"pushed": 2, "push_gone": 1, "push_failed": 1}


@asynchronous
async def test_who_is_gone_is_not_asked_again() -> None:
    """Given many frames for a connection that is gone, then it is asked once, for all of them."""
    clients, counters = Clients([]), MemoryCounters()
    clients.gone = {"a"}
    await push_all(clients, [("a", b"{}")] * 100, counters)
    assert clients.asked == ["a"]
    assert counters.totals() == {"push_gone": 100}


@asynchronous
async def test_who_is_slow_costs_others_its_time_once() -> None:
    """Given two slow connections with as many frames as all others together, then each of the others gets its frame."""
    clients, counters = Clients([]), MemoryCounters()
    clients.slow = {"slow", "slower"}
    frames = [(one, b"{}") for number in range(100) for one in (str(number), "slow", "slower")]
    await push_all(clients, frames, counters)
    assert len(clients.sent) == 100
    assert (clients.asked.count("slow"), clients.asked.count("slower")) == (1, 1)
    assert counters.totals() == {"pushed": 100, "push_slow": 200}


@asynchronous
async def test_each_connection_s_first_frame_goes_first() -> None:
    """Given many frames for one connection before those of others, then its other ones wait until all have one."""
    clients, counters = Clients([]), MemoryCounters()
    many = [("a", f"{number}".encode()) for number in range(100)]
    await push_all(clients, [*many, ("b", b"b"), ("c", b"c")], counters)
    assert clients.sent[:3] == [("a", b"0"), ("b", b"b"), ("c", b"c")]
    assert sorted(clients.sent[3:]) == sorted(many[1:])


@asynchronous
async def test_slow_clients_hold_up_nobody_and_what_is_late_is_dropped() -> None:
    """Given fewer stuck clients than are pushed to at once, then all others get theirs; the stuck are counted."""
    clients, counters = Clients([]), MemoryCounters()
    clients.stuck = {str(number) for number in range(PUSHES_AT_ONCE - 1)}
    assert await push_all(clients, [(str(number), b"{}") for number in range(1_000)], counters, seconds=0.3) == set()
    assert len(clients.sent) == 1_000 - len(clients.stuck)
    assert counters.totals() == {"pushed": len(clients.sent), "push_dropped": len(clients.stuck)}

"""Whose frame is next, when some connections don't take theirs."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from dropslot.engine.feedback_ports import Delivery
from dropslot.engine.push_order import EACH_AT_ONCE, Push, PushOrder


def push(connection: str, about: str = "c#orders#a", frame: bytes = b"{}") -> Push:
    """Return a frame for a connection."""
    return Push(connection=connection, about=about, frame=frame)


def take(order: PushOrder, most: int = 1_000) -> list[str]:
    """Return the connections that may be pushed to at once, in their order."""
    taken: list[str] = []
    while len(taken) < most and (one := order.next()) is not None:
        taken.append(one.connection)
    return taken


def play(order: PushOrder, slow: str, *, turns: int, at_once: int = 8) -> list[str]:
    """Push so many at once; after each turn all are taken but those to connections that begin with this one.

    Returns:
        The connections that took a frame.
    """
    under_way: list[Push] = []
    taken: list[str] = []
    for _ in range(turns):
        while len(under_way) < at_once and (one := order.next()) is not None:
            under_way.append(one)
        for one in [each for each in under_way if not each.connection.startswith(slow)]:
            order.ended(one, Delivery.SENT)
            under_way.remove(one)
            taken.append(one.connection)
    return taken


def test_callers_take_turns_whatever_one_of_them_brings() -> None:
    """Given many of one caller's connections before one of each other's, then each of these is among the first."""
    pushes = [push(f"many-{number}", f"a#orders#{number % 5}") for number in range(100)]
    order = PushOrder([*pushes, push("one", "b#orders#b"), push("other", "c#orders#c")])
    assert take(order, 4) == ["many-0", "one", "other", "many-1"]


def test_a_caller_s_requests_take_turns() -> None:
    """Given many who watch a caller's first request, then they and those of its second one alternate."""
    pushes = [
        push(f"{name}{number}", f"c#orders#{name}") for name, count in (("a", 9), ("b", 2)) for number in range(count)
    ]
    assert take(PushOrder(pushes), 6) == ["a0", "b0", "a1", "b1", "a2", "a3"]


def test_who_takes_frames_passes_who_does_not() -> None:
    """Given as many stuck connections as others, of two callers, then the others are all told meanwhile."""
    stuck = [push(f"stuck-{number}", "a#orders#a") for number in range(100)]
    others = [push(f"{number}", "b#orders#b") for number in range(100)]
    assert len(play(PushOrder([*stuck, *others]), "stuck", turns=30)) == 100


def test_what_was_slow_counts_for_good() -> None:
    """Given a caller whose connections were slow, then another one goes first until it has cost as much."""
    order = PushOrder([*(push(f"a{n}", "a#o#a") for n in range(9)), *(push(f"b{n}", "b#o#b") for n in range(9))])
    first = order.next()
    assert first is not None
    order.ended(first, Delivery.SLOW)
    assert take(order, 4) == ["b0", "a1", "b1", "a2"]


def test_a_connection_s_first_frame_goes_before_its_others() -> None:
    """Given many frames for one connection, then the second waits for the first, and some go at once after it."""
    frames = [f"{number}".encode() for number in range(20)]
    order = PushOrder([*(push("a", frame=frame) for frame in frames), push("b")])
    first, other = order.next(), order.next()
    assert first is not None
    assert other is not None
    assert (first.connection, first.frame, other.connection) == ("a", b"0", "b")
    assert order.next() is None

    order.ended(first, Delivery.SENT)
    more = [order.next() for _ in range(EACH_AT_ONCE)]
    assert [one.frame for one in more if one is not None] == frames[1 : EACH_AT_ONCE + 1]
    assert order.next() is None


def test_who_is_gone_or_slow_is_spared_the_rest() -> None:
    """Given a gone and a slow connection with frames of several requests, then the rest of theirs is counted."""
    abouts = [f"c#orders#{number}" for number in range(5)]
    order = PushOrder([push(connection, about) for about in abouts for connection in ("gone", "slow", "fine")])
    sent = []
    while (one := order.next()) is not None:
        sent.append(one.connection)
        if len(sent) == 3:
            break
    assert sorted(sent) == ["fine", "gone", "slow"]
    deliveries = {"gone": Delivery.GONE, "slow": Delivery.SLOW, "fine": Delivery.SENT}
    for connection in sent:
        order.ended(push(connection, abouts[0]), deliveries[connection])
    assert take(order) == ["fine"] * 4
    assert order.spared == {Delivery.GONE: 4, Delivery.SLOW: 4}
    assert order.gone == {"gone"}


@given(
    pushes=st.lists(st.tuples(st.sampled_from("pqrs"), st.sampled_from(["a#o#1", "a#o#2", "b#o#1", ""])), max_size=40),
    deliveries=st.lists(st.sampled_from(Delivery), min_size=1, max_size=40),
    at_once=st.integers(1, 5),
)
def test_every_frame_is_sent_once_or_spared(
    pushes: Sequence[tuple[str, str]], deliveries: Sequence[Delivery], at_once: int
) -> None:
    """Given any frames and fates, then none is lost, none goes twice, and none to a connection that is gone or slow."""
    order = PushOrder(
        push(connection, about, str(number).encode()) for number, (connection, about) in enumerate(pushes)
    )
    under_way: list[Push] = []
    sent: list[bytes] = []
    ended: set[str] = set()
    fates = iter(deliveries)
    while True:
        while len(under_way) < at_once and (one := order.next()) is not None:
            assert one.connection not in ended
            under_way.append(one)
        if not under_way:
            break
        one = under_way.pop(0)
        delivery = next(fates, Delivery.SENT)
        order.ended(one, delivery)
        sent.append(one.frame)
        if delivery in {Delivery.GONE, Delivery.SLOW}:
            ended.add(one.connection)
    assert len(set(sent)) == len(sent) == len(pushes) - order.spared.total()

"""Whose frame is next: many frames to many connections, of which some don't take theirs."""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

import msgspec

from dropslot.core import names
from dropslot.engine.feedback_ports import Delivery

#: Of one connection, once it has taken its first: an answer about a hundred requests takes a few round trips, and who
#: stops reading in the middle holds a quarter of all that are under way at once.
EACH_AT_ONCE: Final = 8

#: What a connection won't get better from within seconds.
_HOPELESS: Final = frozenset((Delivery.GONE, Delivery.SLOW))


class Push(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A frame for a connection.

    Args:
        connection: its id.
        about: key of the request's item, which begins with the caller; "" for a frame about no request.
        frame: what is sent.
    """

    connection: str
    about: str
    frame: bytes


class _Lane(msgspec.Struct, kw_only=True):
    """What is to be sent about one request."""

    caller: str
    left: deque[Push] = msgspec.field(default_factory=deque)
    #: Pushes that are under way, or were in vain and took their time.
    unpaid: int = 0


class _Connection(msgspec.Struct, kw_only=True):
    """What is known of a connection."""

    under_way: int = 0
    #: It may get so many at once.
    room: int = 1
    #: What became of it, if that ends it.
    end: Delivery | None = None
    #: What has its turn but no room.
    held: deque[Push] = msgspec.field(default_factory=deque)


class PushOrder:
    """Gives each caller, and each of its requests, the same chance, by what their connections have cost so far.

    Next is the caller with the fewest pushes that are under way or took their time in vain, and of its requests the one
    with the fewest. So those whose connections take frames pass those whose connections don't, however many these are.
    A connection gets its first frame before its others; who is gone or slow by any gets no more.

    Args:
        pushes: in the order in which they go where nothing else decides.
    """

    def __init__(self, pushes: Iterable[Push]) -> None:
        #: What is spared those who are gone or slow, by what they are.
        self.spared: Final[Counter[Delivery]] = Counter()
        self._lanes: dict[str, _Lane] = {}
        self._connections: dict[str, _Connection] = {}
        self._unpaid: Counter[str] = Counter()
        for push in pushes:
            self._connections.setdefault(push.connection, _Connection())
            caller = push.about.partition(names.ID_SEPARATOR)[0]
            self._lanes.setdefault(push.about, _Lane(caller=caller)).left.append(push)
        #: Those with something left.
        self._open = dict(self._lanes)

    @property
    def gone(self) -> frozenset[str]:
        """The connections that are closed for good."""
        return frozenset(name for name, one in self._connections.items() if one.end is Delivery.GONE)

    def next(self) -> Push | None:
        """Return what is to be sent now; None while nothing may be, until a push ends that is under way."""
        while self._open:
            about, lane = min(self._open.items(), key=self._cost)
            push = lane.left.popleft()
            if not lane.left:
                del self._open[about]
            connection = self._connections[push.connection]
            if connection.end is not None:
                self.spared[connection.end] += 1
            elif connection.under_way == connection.room:
                connection.held.append(push)
            else:
                connection.under_way += 1
                self._charge(lane, 1)
                return push
        return None

    def ended(self, push: Push, delivery: Delivery) -> None:
        """Note what became of a push that was under way."""
        connection = self._connections[push.connection]
        connection.under_way -= 1
        if delivery is not Delivery.SLOW:
            self._charge(self._lanes[push.about], -1)
        if delivery in _HOPELESS:
            connection.end = delivery
        elif delivery is Delivery.SENT:
            connection.room = EACH_AT_ONCE
        free = connection.room - connection.under_way if connection.end is None else len(connection.held)
        released = [connection.held.popleft() for _ in range(min(free, len(connection.held)))]
        for held in reversed(released):
            lane = self._open.setdefault(held.about, self._lanes[held.about])
            lane.left.appendleft(held)

    def _cost(self, entry: tuple[str, _Lane]) -> tuple[int, int]:
        return self._unpaid[entry[1].caller], entry[1].unpaid

    def _charge(self, lane: _Lane, pushes: int) -> None:
        lane.unpaid += pushes
        self._unpaid[lane.caller] += pushes

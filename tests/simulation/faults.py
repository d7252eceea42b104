"""What goes wrong in a schedule, and when it stops: drawn once from the seed."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: Every class of fault, and how often a schedule has it.
CLASSES: Final[Mapping[str, float]] = {
    # the table
    "latency": 0.3,
    "errors": 0.25,
    "lost_answers": 0.25,
    "retries": 0.25,
    "outage": 0.2,
    "defect": 0.1,
    "no_room": 0.15,
    "stale_index": 0.3,
    # the change feed
    "duplicates": 0.3,
    "reorder": 0.25,
    "delay": 0.2,
    "skips": 0.15,
    "foreign": 0.1,
    # workers and shards
    "process_crash": 0.3,
    "host_crash": 0.25,
    "freeze": 0.15,
    "lease_move": 0.25,
    "stop": 0.2,
    "reshard": 0.2,
    "backlog": 0.15,
    # handlers and clients
    "poison": 0.15,
    "hang": 0.15,
    "late": 0.2,
    "expiry": 0.3,
    "repeats": 0.3,
}

#: Shares of schedules with no fault at all, and with nothing but a backlog.
_CALM: Final = 0.03
_BACKLOG_ONLY: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A schedule's measures.

    Args:
        faults: the classes it has.
        requests: how many requests are accepted first.
        workers: how many there are.
        shards: how many there are at first.
        concurrency: window of a shard.
        ttl_seconds: how long a done request is kept.
        quiet_at: virtual seconds after which nothing goes wrong any more.
        outages: when the table can't be reached.
        latency_max_seconds: longest way to the table, or back.
        in_order: asyncio's own order of what is ready.
    """

    faults: frozenset[str]
    requests: int
    workers: int
    shards: int
    concurrency: int
    ttl_seconds: int
    quiet_at: float
    outages: tuple[tuple[float, float], ...]
    latency_max_seconds: float
    in_order: bool


def draw(source: random.Random) -> Plan:
    """Draw a schedule's measures."""
    kind = source.random()
    if kind < _CALM:
        faults = frozenset[str]()
    elif kind < _CALM + _BACKLOG_ONLY:
        faults = frozenset({"backlog"})
    else:
        faults = frozenset(name for name, share in CLASSES.items() if source.random() < share)
    quiet_at = source.uniform(30, 90)
    outages = []
    if "outage" in faults:
        for _ in range(source.randint(1, 2)):
            start = source.uniform(0, quiet_at)
            outages.append((start, min(quiet_at, start + source.choice((1, 10, 40)))))
    return Plan(
        faults=faults,
        requests=source.choice((5, 5, 8, 8, 12, 12, 20, 40)),
        workers=source.choice((1, 2, 2, 3)),
        shards=source.choice((1, 1, 2)),
        concurrency=source.choice((1, 2, 4, 8, 64)),
        ttl_seconds=source.choice((0, 2, 15)) if "expiry" in faults else 86_400,
        quiet_at=quiet_at,
        outages=tuple(outages),
        latency_max_seconds=source.choice((0.5, 3.0)) if "latency" in faults else 0.02,
        in_order=source.random() < 0.25,
    )


class Faults:
    """Says at each occasion whether something goes wrong there.

    Args:
        plan: what may.
        source: decides.
    """

    def __init__(self, plan: Plan, source: random.Random) -> None:
        self._plan = plan
        self._source = source
        #: The classes that did strike: a class that was drawn may find no occasion.
        self.struck: set[str] = set()

    def strikes(self, name: str, chance: float, now: float) -> bool:
        """Tell whether a fault of this class happens here."""
        if name in self._plan.faults and now < self._plan.quiet_at and self._source.random() < chance:
            self.struck.add(name)
            return True
        return False

    def outage(self, now: float) -> bool:
        """Tell whether the table is out of reach."""
        if any(start <= now < end for start, end in self._plan.outages):
            self.struck.add("outage")
            return True
        return False

    def latency(self, now: float) -> float:
        """Return the seconds that one way to the table or back takes."""
        if self.strikes("latency", 0.3, now):
            return self._source.uniform(0, self._plan.latency_max_seconds)
        return self._source.random() * 0.01

    def uniform(self, low: float, high: float) -> float:
        """Draw a number."""
        return self._source.uniform(low, high)

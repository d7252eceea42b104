"""What goes wrong in a schedule, and when it stops: drawn once from the seed."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    "overload": 0.03,
    # handlers and clients
    "poison": 0.15,
    "hang": 0.15,
    "late": 0.2,
    "expiry": 0.3,
    "repeats": 0.3,
}

#: Shares of schedules with no fault at all, and with nothing but one of these.
_CALM: Final = 0.03
_ALONE: Final[Mapping[str, float]] = {"backlog": 0.05, "overload": 0.02}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A schedule's measures.

    Args:
        faults: the classes it has.
        requests: how many requests are accepted first.
        arrivals_seconds: how long they keep coming in.
        pace_seconds: what a plain handler takes on average; None for anything.
        start_at: when the workers come up.
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
    arrivals_seconds: float
    pace_seconds: float | None
    start_at: float
    workers: int
    shards: int
    concurrency: int
    ttl_seconds: int
    quiet_at: float
    outages: tuple[tuple[float, float], ...]
    latency_max_seconds: float
    in_order: bool


def of_seed(seed: int) -> frozenset[str]:
    """Return the classes of fault that a seed's schedule has."""
    return draw(random.Random(seed)).faults


def draw(source: random.Random) -> Plan:
    """Draw a schedule's measures."""
    faults = _draw_faults(source)
    quiet_at = source.uniform(30, 90)
    outages = []
    if "outage" in faults:
        for _ in range(source.randint(1, 2)):
            start = source.uniform(0, quiet_at)
            outages.append((start, min(quiet_at, start + source.choice((1, 10, 40)))))
    plan = Plan(
        faults=faults,
        requests=source.choice((5, 5, 8, 8, 12, 12, 20, 40)),
        arrivals_seconds=1.0 if source.random() < 0.3 else quiet_at * 0.8,
        pace_seconds=None,
        start_at=source.uniform(0.5, 0.9) * quiet_at if "backlog" in faults else 0.0,
        workers=source.choice((1, 2, 2, 3)),
        shards=source.choice((1, 1, 2)),
        concurrency=source.choice((1, 2, 4, 8, 64)),
        ttl_seconds=source.choice((0, 2, 15)) if "expiry" in faults else 86_400,
        quiet_at=quiet_at,
        outages=tuple(outages),
        latency_max_seconds=source.choice((0.5, 3.0)) if "latency" in faults else 0.02,
        in_order=source.random() < 0.25,
    )
    return _overloaded(plan, source) if "overload" in faults else plan


def _draw_faults(source: random.Random) -> frozenset[str]:
    kind = source.random()
    if kind < _CALM:
        return frozenset()
    passed = _CALM
    for name, share in _ALONE.items():
        passed += share
        if kind < passed:
            return frozenset({name})
    return frozenset(name for name, share in CLASSES.items() if source.random() < share)


def _overloaded(plan: Plan, source: random.Random) -> Plan:
    """Have requests come in about as fast as they can be run, while for minutes none is: consumer or table is away."""
    concurrency = source.choice((1, 2))
    pace_seconds = source.choice((1.0, 2.0, 4.0))
    requests = source.choice((40, 80, 120))
    span = requests * pace_seconds / concurrency / source.uniform(0.7, 1.3)
    away_seconds = source.uniform(0.3, 0.8) * span
    consumer_away = source.random() < 0.6
    start = source.uniform(0, span - away_seconds)
    return replace(
        plan,
        requests=requests,
        arrivals_seconds=span,
        pace_seconds=pace_seconds,
        start_at=away_seconds if consumer_away else 0.0,
        outages=plan.outages if consumer_away else (*plan.outages, (start, start + away_seconds)),
        shards=1,
        concurrency=concurrency,
        quiet_at=max(plan.quiet_at, span),
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
            self.struck.update({"outage"} & self._plan.faults)
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

"""A schedule's measures, drawn once from its seed: who consumes, what goes wrong, and when that stops."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tests.simulation.faults import COMMON, OF_BOTH, OF_FUNCTIONS, OF_WORKERS
from tests.simulation.holder import KCL, LAMBDA
from tests.simulation.operators_plan import OperatorsPlan, draw_operators

#: Both consumers at once, as in a migration.
BOTH: Final = "both"
#: Who consumes, and how often.
WORLDS: Final[Mapping[str, float]] = {KCL: 0.45, LAMBDA: 0.35, BOTH: 0.2}

#: What the documentation asks for, for requests that kill their environment.
RETRIES_MIN: Final = 3

#: Shares of schedules with no fault at all, and with nothing but one of these.
_CALM: Final = 0.03
_ALONE: Final[Mapping[str, float]] = {"backlog": 0.05, "overload": 0.02}
#: What keeps a call of the table from having the answer that it should have.
_NO_ANSWERS: Final = frozenset({"errors", "lost_answers", "retries", "outage", "defect"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionsPlan:
    """The measures of functions and their mapping; see `dropslot.local.mapping.options` on each.

    Args:
        start_at: when the mapping is enabled.
        batch_size: records of one invocation at most.
        window_seconds: how long a batch is gathered.
        parallelization: batches of one shard at once.
        bisect: halve a batch whose invocation failed.
        retry_attempts: further deliveries of a failing batch.
        record_age_seconds: older records are given up; -1 gives none up.
        timeout_seconds: of the function.
        throttles: when invocations are refused.
    """

    start_at: float
    batch_size: int
    window_seconds: float
    parallelization: int
    bisect: bool
    retry_attempts: int
    record_age_seconds: float
    timeout_seconds: float
    throttles: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A schedule's measures.

    Args:
        world: who consumes.
        faults: the classes it has.
        requests: how many requests are accepted first.
        arrivals_seconds: how long they keep coming in.
        pace_seconds: what a plain handler takes on average; None for anything.
        start_at: when the workers come up.
        workers: how many there are.
        functions: the measures of the functions; None if there are none.
        shards: how many there are at first.
        concurrency: window of a shard process, or of an invocation.
        ttl_seconds: how long a done request is kept.
        quiet_at: virtual seconds after which nothing goes wrong any more.
        outages: when the table can't be reached.
        latency_max_seconds: longest way to the table, or back.
        in_order: asyncio's own order of what is ready.
        operators: what they do; None if there are none.
    """

    world: str
    faults: frozenset[str]
    requests: int
    arrivals_seconds: float
    pace_seconds: float | None
    start_at: float
    workers: int
    functions: FunctionsPlan | None
    shards: int
    concurrency: int
    ttl_seconds: int
    quiet_at: float
    outages: tuple[tuple[float, float], ...]
    latency_max_seconds: float
    in_order: bool
    operators: OperatorsPlan | None = None

    @property
    def answers(self) -> bool:
        """Tell whether each call of the table is answered with what became of it."""
        return not (self.outages or _NO_ANSWERS & self.faults)


def of_seed(seed: int) -> Plan:
    """Return the measures of a seed's schedule."""
    return draw(random.Random(seed), seed)


def draw(source: random.Random, seed: int) -> Plan:
    """Draw a schedule's measures.

    Args:
        source: of the schedule.
        seed: what it was made of.
    """
    world = source.choices(list(WORLDS), list(WORLDS.values()))[0]
    faults = _draw_faults(source, world)
    quiet_at = source.uniform(30, 90)
    start_at = source.uniform(0.5, 0.9) * quiet_at if "backlog" in faults else 0.0
    plan = Plan(
        world=world,
        faults=faults,
        # With both consumers each is run twice.
        requests=source.choice((5, 5, 8, 8, 12, 12, 20, 40 if world != BOTH else 8)),
        arrivals_seconds=1.0 if source.random() < 0.3 else quiet_at * 0.8,
        pace_seconds=None,
        start_at=start_at,
        workers=source.choice((1, 2, 2, 3)) if world != LAMBDA else 0,
        functions=_draw_functions(source, faults, start_at, quiet_at) if world != KCL else None,
        shards=source.choice((1, 1, 2)),
        concurrency=source.choice((1, 2, 4, 8, 64)),
        ttl_seconds=source.choice((0, 2, 15)) if "expiry" in faults else 86_400,
        quiet_at=quiet_at,
        outages=_draw_spans(source, quiet_at) if "outage" in faults else (),
        latency_max_seconds=source.choice((0.5, 3.0)) if "latency" in faults else 0.02,
        in_order=source.random() < 0.25,
    )
    plan = _overloaded(plan, source) if "overload" in faults else plan
    return replace(plan, operators=draw_operators(seed, plan.quiet_at))


def _draw_faults(source: random.Random, world: str) -> frozenset[str]:
    kind = source.random()
    if kind < _CALM:
        return frozenset()
    passed = _CALM
    for name, share in _ALONE.items():
        passed += share
        if kind < passed:
            return frozenset({name})
    classes = {
        **COMMON,
        **(OF_WORKERS if world != LAMBDA else {}),
        **(OF_FUNCTIONS if world != KCL else {}),
        **(OF_BOTH if world == BOTH else {}),
    }
    return frozenset(name for name, share in classes.items() if source.random() < share)


def _draw_functions(source: random.Random, faults: frozenset[str], start_at: float, quiet_at: float) -> FunctionsPlan:
    gives_up = "give_up" in faults
    return FunctionsPlan(
        start_at=start_at if source.random() < 0.7 else source.uniform(start_at, quiet_at),
        batch_size=source.choice((1, 3, 10, 100)),
        window_seconds=source.choice((0.0, 1.0, 1.0, 5.0)),
        parallelization=source.choice((1, 1, 2, 5)),
        bisect=source.random() < 0.8,
        retry_attempts=max(source.choice((0, 1, 3)), RETRIES_MIN if "poison" in faults else 0) if gives_up else 10,
        record_age_seconds=60.0 if gives_up else -1,
        timeout_seconds=source.choice((20.0, 30.0, 60.0)),
        throttles=_draw_spans(source, quiet_at) if "throttle" in faults else (),
    )


def _draw_spans(source: random.Random, quiet_at: float) -> tuple[tuple[float, float], ...]:
    """Draw a time or two at which something is away."""
    starts = [source.uniform(0, quiet_at) for _ in range(source.randint(1, 2))]
    return tuple((start, min(quiet_at, start + source.choice((1, 10, 40)))) for start in starts)


def _overloaded(plan: Plan, source: random.Random) -> Plan:
    """Have requests come in about as fast as they can be run, while for minutes none is: consumer or table is away."""
    concurrency = source.choice((1, 2))
    pace_seconds = source.choice((1.0, 2.0, 4.0))
    # Functions that are short of time deliver each request many times.
    requests = source.choice((40, 80, 120) if plan.functions is None else (40, 60))
    span = requests * pace_seconds / concurrency / source.uniform(0.7, 1.3)
    away_seconds = source.uniform(0.3, 0.8) * span
    consumer_away = source.random() < 0.6
    start_at = away_seconds if consumer_away else 0.0
    start = source.uniform(0, span - away_seconds)
    functions = plan.functions
    if functions is not None:
        functions = replace(functions, start_at=start_at, parallelization=1)
    return replace(
        plan,
        requests=requests,
        arrivals_seconds=span,
        pace_seconds=pace_seconds,
        start_at=start_at,
        functions=functions,
        outages=plan.outages if consumer_away else (*plan.outages, (start, start + away_seconds)),
        shards=1,
        concurrency=concurrency,
        quiet_at=max(plan.quiet_at, span),
    )

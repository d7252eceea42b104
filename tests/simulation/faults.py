"""What may go wrong in a schedule, by class, and whether it does at an occasion."""

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.simulation.plan import Plan

#: Classes of fault that any consumer meets, and how often a schedule has them.
COMMON: Final[Mapping[str, float]] = {
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
#: Those of workers and their shard processes.
OF_WORKERS: Final[Mapping[str, float]] = {
    "process_crash": 0.3,
    "host_crash": 0.25,
    "freeze": 0.15,
    "lease_move": 0.25,
    "stop": 0.2,
}
#: Those of functions, their environments and the mapping.
OF_FUNCTIONS: Final[Mapping[str, float]] = {
    "function_crash": 0.3,
    "function_stall": 0.2,
    "function_timeout": 0.2,
    "function_idle": 0.3,
    "recycle": 0.25,
    "throttle": 0.2,
    "mapping_restart": 0.3,
    "give_up": 0.2,
}
#: That of a migration: one consumer leaves for good.
OF_BOTH: Final[Mapping[str, float]] = {"handover": 0.4}
#: What operators do, and how their commands end before their time; they are drawn elsewhere (`operators_plan`).
BY_OPERATORS: Final = (
    "operator_retry",
    "operator_redrive",
    "operator_force",
    "operator_restore",
    "operator_delete",
    "operator_killed",
    "operator_interrupted",
    "operators_at_once",
)
#: What a process waits at most before it makes a call again that failed.
LONGEST_PAUSE_SECONDS: Final = 2.0
#: Those that keep a call of the table from being answered, or from being answered soon.
_OF_CALLS: Final = frozenset({"latency", "errors", "lost_answers", "retries"})
#: Every class of fault, and what operators do.
CLASSES: Final = (*COMMON, *OF_WORKERS, *OF_FUNCTIONS, *OF_BOTH, *BY_OPERATORS)


class Faults:
    """Says at each occasion whether something goes wrong there.

    Args:
        plan: what may.
        source: decides.
    """

    def __init__(self, plan: "Plan", source: random.Random) -> None:
        self._plan = plan
        self._source = source
        #: The classes that did strike: a class that was drawn may find no occasion.
        self.struck: set[str] = set()
        self._troubled_at = float("-inf")

    def strikes(self, name: str, chance: float, now: float) -> bool:
        """Tell whether a fault of this class happens here."""
        if name in self._plan.faults and now < self._plan.quiet_at and self._source.random() < chance:
            self.struck.add(name)
            if name in _OF_CALLS:
                self._troubled_at = now
            return True
        return False

    def outage(self, now: float) -> bool:
        """Tell whether the table is out of reach."""
        outages = self._plan.outages
        if outages and any(start <= now < end for start, end in outages):
            self.struck.update({"outage"} & self._plan.faults)
            self._troubled_at = now
            return True
        return False

    def troubled(self, now: float) -> bool:
        """Tell whether a call of the table has failed so lately that the next may be on its way, or not made yet."""
        return now - self._troubled_at <= LONGEST_PAUSE_SECONDS + 1 + 2 * self._plan.latency_max_seconds

    def latency(self, now: float) -> float:
        """Return the seconds that one way to the table or back takes."""
        if self.strikes("latency", 0.3, now):
            return self._source.uniform(0, self._plan.latency_max_seconds)
        return self._source.random() * 0.01

    def uniform(self, low: float, high: float) -> float:
        """Draw a number."""
        return self._source.uniform(low, high)

"""What the checker remembers of one request in one generation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.holder import Holder

Key = tuple[str, int]


@dataclass(slots=True, eq=False)
class Run:
    """A handler at work on a request, tries in process included.

    Args:
        holder: who runs it.
        attempt: as the handler was told when it was first called.
        told: as it was told last: a redrive may join a run between two tries.
        ending: "" while it has none, else success, error (for good) or passing; a late success doesn't change it.
    """

    holder: Holder
    attempt: int
    told: int = 0
    ending: str = ""


@dataclass(slots=True, eq=False)
class Life:
    """From accept to deletion.

    Args:
        key: id and generation.
        accepted: the item as it was accepted.
        changed_at: virtual seconds of the last change.
        runs: of its handler, tries in process not counted.
        kills: how many processes in charge of its shard died of it.
        unsuspected: how many more did that couldn't know it had been started before.
        hidden: how many of them had run others that had waited.
        successes: handler calls that ended well, not below the floor.
        errors: handler calls that ended in an error for good.
        passing: handler calls that ended in an error that may pass, or in no time.
        attempt: now.
        floor: the attempt of the last forced redrive, 0 without one.
        operated: how often an operator redrove it.
        operated_attempt: which attempt the last of these made.
        reused: it was restored under an attempt that it has had, since nobody could know: its records were not read.
        waits: how often it was put off.
        parked: the last time for want of time, and not by a run.
        redrives: by the sweep.
        overdue: those of them that found it pending.
        rest_graces: how many graces must pass before the sweep finds it overdue.
        counted: who counted a start of it, and didn't take it back.
        counted_attempt: the attempt that the last of them counted for.
        taken_back: how often the count of a start was taken back.
        settled_at: virtual seconds of the outcome.
        deleted_at: virtual seconds of the deletion.
        left_pending: the attempts that have had an outcome, or a wait.
        stepped: its handler takes steps: `sagas` checks what that does.
    """

    key: Key
    accepted: Mapping[str, Any]
    changed_at: float
    runs: list[Run] = field(default_factory=list)
    kills: int = 0
    unsuspected: int = 0
    hidden: int = 0
    successes: int = 0
    errors: int = 0
    passing: int = 0
    attempt: int = 0
    floor: int = 0
    operated: int = 0
    operated_attempt: int = 0
    reused: bool = False
    waits: int = 0
    parked: bool = False
    redrives: int = 0
    overdue: int = 0
    rest_graces: int = 1
    counted: list[Holder] = field(default_factory=list)
    counted_attempt: int = 0
    taken_back: int = 0
    settled_at: float | None = None
    deleted_at: float | None = None
    left_pending: dict[int, str] = field(default_factory=dict)
    stepped: bool = False

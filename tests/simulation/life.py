"""What the checker remembers of one request in one generation."""

from dataclasses import dataclass, field

from tests.simulation.loop import Image

Key = tuple[str, int]


@dataclass(slots=True, eq=False)
class Run:
    """A handler at work on a request, tries in process included.

    Args:
        image: the process it runs in.
        attempt: as the handler was told.
        ending: "" while it has none, else success, error (for good) or passing; a late success doesn't change it.
    """

    image: Image
    attempt: int
    ending: str = ""


@dataclass(slots=True, eq=False)
class Life:
    """From accept to deletion.

    Args:
        key: id and generation.
        changed_at: virtual seconds of the last change.
        runs: of its handler, tries in process not counted.
        kills: how many processes in charge of its shard died of it.
        hidden: how many of them had run others that had waited.
        successes: handler calls that ended well.
        errors: handler calls that ended in an error for good.
        passing: handler calls that ended in an error that may pass, or in no time.
        attempt: now.
        waits: how often it was put off.
        redrives: by the sweep.
        overdue: those of them that found it pending.
        rest_graces: how many graces must pass before the sweep finds it overdue.
        counted: the processes that counted a start of it.
        taken_back: how often the count of a start was taken back.
        settled_at: virtual seconds of the outcome.
        deleted_at: virtual seconds of the deletion.
        left_pending: the attempts that have had an outcome, or a wait.
    """

    key: Key
    changed_at: float
    runs: list[Run] = field(default_factory=list)
    kills: int = 0
    hidden: int = 0
    successes: int = 0
    errors: int = 0
    passing: int = 0
    attempt: int = 0
    waits: int = 0
    redrives: int = 0
    overdue: int = 0
    rest_graces: int = 1
    counted: list[Image] = field(default_factory=list)
    taken_back: int = 0
    settled_at: float | None = None
    deleted_at: float | None = None
    left_pending: dict[int, str] = field(default_factory=dict)

"""What the checker remembers of one request in one generation."""

from dataclasses import dataclass, field

Key = tuple[str, int]


@dataclass(slots=True, eq=False)
class Life:
    """From accept to deletion.

    Args:
        key: id and generation.
        accepted_at: virtual seconds.
        starts_before: how many shard processes had been started then.
        runs: how often its handler was started, tries in process not counted.
        kills: how many processes died of it.
        successes: handler calls that ended well.
        errors: handler calls that ended in an error for good.
        passing: handler calls that ended in an error that may pass, or in no time.
        attempt: now.
        waits: how often it was put off.
        redrives: by the sweep.
        overdue: those of them that found it pending.
        suspected: a start of it was counted, which moves its `due_at` as well.
        taken_back: how often such a count was taken back.
        settled_at: virtual seconds of the outcome.
        deleted_at: virtual seconds of the deletion.
        left_pending: the attempts that have had an outcome, or a wait.
    """

    key: Key
    accepted_at: float
    starts_before: int
    runs: int = 0
    kills: int = 0
    successes: int = 0
    errors: int = 0
    passing: int = 0
    attempt: int = 0
    waits: int = 0
    redrives: int = 0
    overdue: int = 0
    suspected: bool = False
    taken_back: int = 0
    settled_at: float | None = None
    deleted_at: float | None = None
    left_pending: dict[int, str] = field(default_factory=dict)

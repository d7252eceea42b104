"""What an operator orders of a replay."""

from dataclasses import dataclass
from pathlib import Path

from dropslot.operate.replay.filters import Filters
from dropslot.operate.replay.position import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Options, understood.

    Args:
        command: those that decide what is read and what is done with it, for the file of progress.
        span: what to read of the stream.
        shard: the only shard to read; None for all.
        failures: documents to read instead; None for the stream.
        filters: what to leave out.
        failed: failed requests run again.
        force: done and gone ones, too.
        dry_run: nothing does.
        yes: nobody is asked.
        per_second: how many requests are redriven in a second, at most.
        grace_ms: of the sweep.
        progress: file that tells how far it is.
        restart: forget what the file says.
        resume: go on with it, however long ago that was.
    """

    command: dict[str, str]
    span: Span
    shard: str | None
    failures: str | None
    filters: Filters
    failed: bool
    force: bool
    dry_run: bool
    yes: bool
    per_second: float
    grace_ms: int
    progress: Path
    restart: bool
    resume: bool

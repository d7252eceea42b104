"""Retries failed requests: finds those that are meant, says how many, redrives them and reports."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from dropslot.adapters.clock import SystemClock
from dropslot.adapters.requests.dynamodb import DynamoDBRequests
from dropslot.adapters.wire.sdk import Boto3Calls
from dropslot.core import names
from dropslot.core.leftovers import tells_of_leftovers
from dropslot.core.transitions import Write, retry
from dropslot.engine.backoff import Backoff
from dropslot.operate.redrive import Fate, Redrive, Redriver
from dropslot.operate.requests import open_table
from dropslot.operate.row import Row
from dropslot.operate.screen import Screen, pluralised
from dropslot.operate.selection import Selection
from dropslot.operate.target import Target

#: Different errors that a dry run lists; the rest is added up.
_ERRORS_SHOWN: Final = 20
#: Progress is told after so many requests.
_PROGRESS_EVERY: Final = 1_000

#: Each fate for readers.
FATES: Final = {
    Fate.REDRIVEN: "redriven",
    Fate.CHANGED: "changed meanwhile, left alone",
    Fate.GONE: "gone meanwhile",
    Fate.REFUSED: "refused by the table",
}
#: Why a request is left alone, in JSON, and each for readers.
NOT_FAILED: Final = "not_failed"
NOTHING_TO_UNDO: Final = "nothing_to_undo"
_LEFT_ALONE: Final = {
    NOT_FAILED: "not failed, or not there",
    NOTHING_TO_UNDO: "with nothing that is to be undone, left alone",
}


class Failed(Protocol):
    """The failed requests that an operator means."""

    def rows(self) -> Iterator[Row]:
        """Read them; each time they are read anew."""
        ...

    @property
    def left_alone(self) -> Mapping[str, int]:
        """How many are meant and not among the rows, by why: known once these were read."""
        ...

    @property
    def only_undoes(self) -> bool:
        """Whether finished steps are undone, and nothing runs anew."""
        ...

    def redrive(self, row: Row) -> Redrive:
        """Return the redrive of one of the rows."""
        ...


class Named:
    """Failed requests by their ids.

    Args:
        target: the pipeline.
        screen: where to tell of those that aren't failed.
        keys: of the items.
    """

    only_undoes = False

    def __init__(self, target: Target, screen: Screen, keys: Sequence[str]) -> None:
        unique = list(dict.fromkeys(keys))
        found = open_table(target).get(unique)
        there = [found[key] for key in unique if key in found]
        self._rows = [row for row in there if row.state.status == names.FAILED]
        self.left_alone: Mapping[str, int] = {NOT_FAILED: len(unique) - len(self._rows)}
        for key in unique:
            if key not in found:
                screen.say(f"there is no request {key}")
            elif found[key].state.status != names.FAILED:
                screen.say(f"{key} is {found[key].state.status}, not failed")

    def rows(self) -> Iterator[Row]:
        """See `Failed.rows`."""
        return iter(self._rows)

    def redrive(self, row: Row) -> Redrive:
        """See `Failed.redrive`."""
        return as_retried(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """Failed requests by what holds of them.

    Args:
        target: the pipeline.
        selection: what must hold.
        failed_from_ms: epoch milliseconds; failed then or later.
        failed_until_ms: the same; failed then or before. Not None, or what fails again would be found again.
    """

    target: Target
    selection: Selection
    failed_from_ms: int | None
    failed_until_ms: int

    only_undoes = False

    @property
    def left_alone(self) -> Mapping[str, int]:
        """See `Failed.left_alone`: those are meant that are found."""
        return {NOT_FAILED: 0}

    def rows(self) -> Iterator[Row]:
        """See `Failed.rows`."""
        rows = open_table(self.target).unfinished(
            [names.FAILED], due_from_ms=self.failed_from_ms, due_until_ms=self.failed_until_ms
        )
        return filter(self.selection.holds, rows)

    def redrive(self, row: Row) -> Redrive:
        """See `Failed.redrive`."""
        return as_retried(row)


def survey(failed: Failed, screen: Screen) -> int:
    """Count what would be redriven, by error and type; return how many there are."""
    not_undone = 0
    errors: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for row in failed.rows():
        errors[row.error] += 1
        types[row.type] += 1
        not_undone += tells_of_leftovers(row.error)
    total = errors.total()
    if screen.as_json:
        counts = {"failed": total, "not_undone": not_undone, **failed.left_alone}
        screen.json({**counts, "by_type": dict(sorted(types.items())), "by_error": dict(errors.most_common())})
        return total
    shown = errors.most_common(_ERRORS_SHOWN)
    lines = [(f"{number:,}", error) for error, number in shown]
    if len(errors) > len(shown):
        rest = total - sum(number for _, number in shown)
        lines.append((f"{rest:,}", f"({len(errors) - len(shown):,} other errors)"))
    if lines:
        screen.table(("REQUESTS", "ERROR"), lines)
    by_type = ", ".join(f"{name} {number:,}" for name, number in types.most_common())
    screen.say(f"{pluralised(total, 'failed request')}: {by_type or 'nothing to do'}")
    if nothing_to_undo := failed.left_alone.get(NOTHING_TO_UNDO):
        screen.say(f"{nothing_to_undo:,} {_LEFT_ALONE[NOTHING_TO_UNDO]}")
    _tell_of_leftovers(screen, failed, not_undone)
    return total


def redrive_failed(target: Target, failed: Failed, screen: Screen, *, per_second: float, total: int | None) -> bool:
    """Redrive and report; True if all that was found, and all that was named, was redriven.

    The report also comes when this is cut short, by Ctrl-C or an error.

    Args:
        target: the pipeline.
        failed: what to redrive.
        screen: where to report.
        per_second: how many in a second, at most.
        total: how many there are, if somebody has counted.
    """
    requests = DynamoDBRequests(Boto3Calls(target.dynamodb(writes=True), target.table))
    redriver = Redriver(requests=requests, clock=SystemClock(), backoff=Backoff(), per_second=per_second)
    not_undone = 0
    try:
        with asyncio.Runner() as runner:
            rows = failed.rows()
            while batch := list(islice(rows, redriver.batch_size)):
                fates = runner.run(redriver.redrive([failed.redrive(row) for row in batch]))
                redriven = [row for row in batch if fates[row.state.id] is Fate.REDRIVEN]
                not_undone += sum(tells_of_leftovers(row.error) for row in redriven)
                _tell_progress(screen, redriver.fates.total(), len(batch), total)
    finally:
        _report(screen, redriver.fates, failed.left_alone)
        _tell_of_leftovers(screen, failed, not_undone)
        requests.close()
    return redriver.fates[Fate.REDRIVEN] == redriver.fates.total() and not any(failed.left_alone.values())


def as_retried(row: Row) -> Redrive:
    """Return the redrive of a failed request, as it was seen."""

    def change(now_ms: int) -> Write:
        return retry(row.state, error=row.error, now_ms=now_ms)

    return Redrive(state=row.state, change=change)


def _tell_progress(screen: Screen, done: int, batch: int, total: int | None) -> None:
    if done // _PROGRESS_EVERY > (done - batch) // _PROGRESS_EVERY:
        screen.say(f"{done:,} of {total:,}" if total is not None else f"{done:,}")


def _tell_of_leftovers(screen: Screen, failed: Failed, not_undone: int) -> None:
    if not_undone and not failed.only_undoes:
        say = "says" if not_undone == 1 else "say"
        screen.say(
            f"{not_undone:,} of them {say} that steps aren't undone: first these are undone, then all of it runs anew. "
            "With --undo nothing runs anew"
        )


def _report(screen: Screen, fates: Counter[Fate], left_alone: Mapping[str, int]) -> None:
    if screen.as_json:
        screen.json({fate.value: fates[fate] for fate in Fate} | dict(left_alone))
        return
    lines = [(f"{fates[fate]:,}", FATES[fate]) for fate in Fate if fates[fate] or fate is Fate.REDRIVEN]
    lines += [(f"{number:,}", _LEFT_ALONE[why]) for why, number in left_alone.items() if number]
    screen.table(("REQUESTS", "WHAT BECAME OF THEM"), lines)

"""What a replay tells and asks: records by class, what would come back, and what became of what it redrove."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Final

from dropslot.operate.redrive import Fate
from dropslot.operate.replay.acting import Actions
from dropslot.operate.replay.classify import Class
from dropslot.operate.replay.progress import Meter
from dropslot.operate.replay.reading import Classified
from dropslot.operate.replay.survey import Gone, Survey
from dropslot.operate.retrying import FATES
from dropslot.operate.screen import Screen, pluralised

_MEANINGS: Final = {
    Class.WOULD_RUN: "unsettled and overdue",
    Class.UNDER_WAY: "pending, and not overdue",
    Class.WAITING: "waiting for its time",
    Class.FAILED: "failed",
    Class.DONE: "done",
    Class.GONE: "there is no such request any more",
    Class.SUPERSEDED: "a later record of one above, or its id belongs to another request now",
    Class.OURS: "an outcome, or a deletion: asks for no run",
    Class.FOREIGN: "no change of a request",
    Class.LEFT_OUT: "not what --type, --event and --id ask for",
}


def tell_acted(screen: Screen, classified: Classified, attempt: int, fate: Fate | None) -> None:
    """Print one record that is acted on, for programs only.

    Args:
        screen: where to.
        classified: the record.
        attempt: of its request, as it was seen.
        fate: what became of it; None in a dry run.
    """
    if not screen.as_json or classified.change is None:
        return
    screen.json_line(
        {
            "id": classified.change.state.id,
            "accepted_at": classified.change.state.accepted_at,
            "class": classified.kind.value,
            "attempt": attempt,
            "sequence_number": classified.record.sequence_number,
            "fate": fate.value if fate is not None else None,
        }
    )
    # The ledger is told next that this was done: a kill must not lose the line.
    sys.stdout.flush()


def tell_nobody(classified: Classified, attempt: int, fate: Fate | None) -> None:
    """Take what `tell_acted` prints, and print nothing."""


def tell_classes(screen: Screen, classes: Counter[Class]) -> None:
    """Print how many records are in which class, for readers only."""
    if not screen.as_json:
        rows = [(f"{classes[kind]:,}", kind.words, _MEANINGS[kind]) for kind in Class if classes[kind]]
        screen.table(("RECORDS", "CLASS", "MEANS"), [*rows, (f"{classes.total():,}", "all", "")])


def tell_gone(screen: Screen, survey: Survey, actions: Actions) -> None:
    """Say which of those that are gone come back, and which don't."""
    back = [gone for key, gone in survey.gone.items() if actions.comes_back(key, gone)]
    away = [gone for key, gone in survey.gone.items() if not actions.comes_back(key, gone)]
    told = _reasons(back, "deleted by hand and named by --id")
    if told:
        screen.say(f"gone, and would come back: {told}")
    left = _reasons(away, "deleted by hand")
    if left:
        screen.say(f"gone, and stay away unless --id names them: {left}")


def _reasons(gone: Sequence[Gone], by_hand: str) -> str:
    """Return how many went for which reason, as far as that is known; "" for none."""
    words = {False: "expired", None: "went for a reason that no record read tells", True: by_hand}
    numbers = Counter(one.by_hand for one in gone)
    return ", ".join(f"{numbers[reason]:,} {told}" for reason, told in words.items() if numbers[reason])


def question(survey: Survey, actions: Actions, *, where: str) -> str | None:
    """Return what an operator is to be asked; None if there is nothing to do.

    Args:
        survey: what there is.
        actions: what is to be done.
        where: the pipeline, for readers.
    """
    numbers = {kind: survey.classes[kind] - survey.late[kind] for kind in Class if kind in actions.classes}
    if Class.GONE in numbers:
        numbers[Class.GONE] = sum(actions.comes_back(key, gone) for key, gone in survey.gone.items())
    told = ", ".join(f"{number:,} {_QUESTIONED[kind]}" for kind, number in numbers.items() if number)
    return f"Run {pluralised(sum(numbers.values()), 'request')} of {where} again ({told})?" if told else None


_QUESTIONED: Final = {
    Class.WOULD_RUN: "overdue",
    Class.FAILED: "failed",
    Class.DONE: "done",
    Class.GONE: "gone, restored from their records",
}


def tell_fates(screen: Screen, fates: Counter[Fate]) -> None:
    """Print what became of the requests that were redriven, for readers only."""
    if not screen.as_json:
        rows = [(f"{fates[fate]:,}", FATES[fate]) for fate in Fate if fates[fate] or fate is Fate.REDRIVEN]
        screen.table(("REQUESTS", "WHAT BECAME OF THEM"), rows)


def tell_summary(
    screen: Screen, classes: Counter[Class], fates: Counter[Fate] | None = None, *, complete: bool, meter: Meter
) -> None:
    """Print the last line, for programs; and for readers how fast it was.

    Args:
        screen: where to.
        classes: records by class, also from before a stop.
        fates: what became of requests, the same; None in a dry run.
        complete: all was read.
        meter: what this run has read.
    """
    if screen.as_json:
        told = {"fates": {fate.value: fates[fate] for fate in Fate}} if fates is not None else {}
        screen.json_line(
            {
                "complete": complete,
                "records": classes.total(),
                "classes": {kind.value: classes[kind] for kind in Class},
                **told,
            }
        )
    screen.say(f"{pluralised(meter.records, 'record')} read, {meter.per_second:,.0f} a second")

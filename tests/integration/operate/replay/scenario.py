"""What must hold of replays, of however many records: in a test, and by the command of this package."""

import signal
from collections.abc import Callable
from pathlib import Path

from tests.integration.operate.operator import run
from tests.integration.operate.replay.history import Author, History, Kind
from tests.integration.operate.replay.stage import Stage, acted_on, classes, started, wait_for

OVERDUE = (Author.overdue, Author.due)
FORCED = (Author.done, Author.expired)
#: What is under way stays so, however long this takes.
PATIENT = ("--grace", "3600", "--json")
FAST = (*PATIENT, "--rate", "10000", "--yes")

Tell = Callable[[object], None]


def once_more(history: History, *kinds: Kind) -> dict[str, int]:
    """Return the attempts of requests of these kinds after each was redriven once."""
    again = history.keys(*kinds)
    return {told.key: told.attempt + 1 for told in history.told if told.key in again}


def settled_stays_so(stage: Stage, history: History, tell: Tell) -> None:
    """Check classes, the default run, a second one, and --force, twice."""
    before = stage.items()
    overdue, again = history.keys(*OVERDUE), once_more(history, *FORCED)

    dry = run("replay", "--dry-run", *PATIENT)
    assert dry.code == 0, dry.all
    assert classes(dry) == history.classes
    assert {line["id"] for line in acted_on(dry.out)[0]} == overdue
    assert stage.items() == before
    tell(f"replay, dry run: {dry.all.splitlines()[-1]}; classes {classes(dry)}")

    first = run("replay", *FAST)
    assert first.code == 0, first.all
    assert classes(first) == history.classes
    assert {line["id"]: line["fate"] for line in acted_on(first.out)[0]} == dict.fromkeys(overdue, "redriven")
    after = stage.items()
    assert _without(after, overdue) == _without(before, overdue)
    assert {after[key]["attempt"]["N"] for key in overdue} == {"1"}
    tell(f"replay of what is overdue: {first.all.splitlines()[-1]}; {len(overdue):,} redriven")

    second = run("replay", *FAST)
    assert acted_on(second.out)[0] == []
    assert stage.items() == after
    tell("replay again: 0 redriven")

    forced = run("replay", "--force", *FAST)
    assert forced.code == 0, forced.all
    assert f"{len(history.keys(Author.deleted)):,} deleted by hand" in forced.all
    items = stage.items()
    assert {key: int(items[key]["attempt"]["N"]) for key in again} == again
    assert all(items[key]["floor"] == items[key]["attempt"] for key in again)
    assert not any("ttl" in items[key] or "result" in items[key] for key in again)
    assert _without(items, again.keys()) == _without(after, again.keys())
    gone = len(history.keys(Author.expired))
    tell(f"replay --force: {forced.all.splitlines()[-1]}; {len(again):,} redriven, {gone:,} of them restored")

    assert acted_on(run("replay", "--force", *FAST).out)[0] == []
    assert stage.items() == items
    tell("replay --force again: 0 redriven")


def ctrl_c_skips_and_repeats_nothing(stage: Stage, expected: dict[str, int], *, after: int, tell: Tell) -> None:
    """Check a forced run that is stopped, and taken up when what it redrove is done again.

    Args:
        stage: where; nothing in it is pending.
        expected: the attempts after it.
        after: how many are redriven before it is stopped.
        tell: takes figures.
    """
    before = stage.attempts()
    words = ("replay", "--force", "--yes", *PATIENT)

    output = Path("stopped.jsonl")

    with started(*words, "--rate", "20" if after < 100 else "200", out=output) as process:
        wait_for(process, lambda: len(_touched(before, stage)) >= after)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    lines, summary = acted_on(output.read_text())
    assert process.returncode == 130
    assert not summary["complete"]
    assert "the same command goes on" in err
    touched = _touched(before, stage)
    assert summary["fates"]["redriven"] == len(touched) < len(expected)

    stage.settle(touched)
    resumed = run(*words, "--rate", "10000")

    assert resumed.code == 0, resumed.all
    assert "where it was stopped, after" in resumed.all
    assert {key: attempt for key, attempt in stage.attempts().items() if key in expected} == expected
    more, total = acted_on(resumed.out)
    assert total["fates"]["redriven"] == len(expected)
    assert sorted(line["id"] for line in (*lines, *more)) == sorted(expected)
    tell(f"replay --force, Ctrl-C after {len(touched):,}, the same again: {len(expected):,} redriven, each once")


def _touched(before: dict[str, int], stage: Stage) -> set[str]:
    return {key for key, attempt in stage.attempts().items() if before.get(key) != attempt}


def _without(items: dict[str, dict[str, object]], keys: object) -> dict[str, dict[str, object]]:
    return {key: item for key, item in items.items() if key not in keys}  # type: ignore[operator]

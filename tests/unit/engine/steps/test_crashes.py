"""A worker that dies at any point of a saga: what is finished stays so, what was in flight is run at most once more."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from dropslot.core.journal import DONE, FAILED, UNDONE, Key
from dropslot.core.policy import KILLED_ITS_WORKER, MAX_STARTS
from tests.unit.core.images import ACCEPTED_AT_MS
from tests.unit.engine.steps.crashing import PAUSES_SECONDS, REJECTED, REQUEST_ID, STEPS, Process, World

Tell = Callable[[object], None]

#: How many pairs of crashes are drawn for each saga, the same each time.
PAIRS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Saga:
    """What happens to five steps.

    Args:
        name: for the output.
        rejects: the request fails behind them, and they are undone.
        faults: how often a step, or an undo, meets an error that passes.
    """

    name: str
    rejects: bool = False
    faults: Mapping[str, int] = field(default_factory=dict)


SAGAS = (
    Saga(name="done"),
    Saga(name="done after a wait", faults={"pack": 1}),
    Saga(name="undone", rejects=True),
    Saga(name="undone after a wait", rejects=True, faults={"undo pack": 1}),
)


async def play(saga: Saga, crashes: Sequence[int], pause_seconds: float) -> list[list[str]]:
    """Run a saga in processes that die at these points, and in one that doesn't; check what has come of it.

    Returns:
        The points that each of them has passed.
    """
    world = World(rejects=saga.rejects, faults=saga.faults)
    lives = []
    for dies_at in (*crashes, None):
        process = Process(world, dies_at)
        await process.live()
        lives.append(process.points)
        world.clock.pass_by(pause_seconds)
    try:
        check(world, saga)
    except AssertionError as wrong:
        deaths = [points[-1] for points in lives[:-1]]
        raise AssertionError(f"died {deaths}, {pause_seconds} s each: {wrong}") from wrong
    return lives


def check(world: World, saga: Saga) -> None:
    """Check the outcome, and how often each step and each undo took effect."""
    entry = world.entry
    assert entry is not None
    assert [one.key.run for one in world.journal.entries(REQUEST_ID)] == [0]
    assert [step.name for step in entry.steps] == list(STEPS)
    assert not entry.owner
    undos = [f"undo {name}" for name in reversed(STEPS)] if saga.rejects else []
    if saga.rejects:
        assert world.item["status"] == {"S": "failed-a"}
        assert world.item["error"] == {"S": REJECTED}
        assert entry.closed == UNDONE
        assert all(step.undone_at for step in entry.steps)
    else:
        assert world.item["status"] == {"S": "done-a"}
        assert entry.closed == DONE
        assert world.item["result"] == {"S": entry.result}
        assert entry.result is not None
        assert all(f"receipt of {name}" in entry.result for name in STEPS)
    turned = [*world.log, "turn"].index("turn")
    assert list(dict.fromkeys(world.log[:turned])) == list(STEPS)
    assert list(dict.fromkeys(world.log[turned + 1 :])) == undos
    # Once, and once more for each death between its effect and the journal's note of it.
    assert Counter(world.log) - Counter(["turn"]) == Counter([*STEPS, *undos]) + world.unknown
    key = Key(id=REQUEST_ID, accepted_at=ACCEPTED_AT_MS, run=0)
    for name, keys in world.keys.items():
        assert keys == {key.step_key(name.rpartition(" ")[2], undo=name.startswith("undo"))}


@pytest.mark.parametrize("saga", SAGAS, ids=lambda saga: saga.name)
def test_crashes_at_each_point(saga: Saga, tell: Tell) -> None:
    """Given workers that die before or after any call, then the one that doesn't die ends the saga."""

    async def play_all() -> tuple[int, int]:
        (undisturbed,) = await play(saga, (), 1)
        pairs: list[tuple[tuple[int, int], float]] = []
        for first in range(len(undisturbed)):
            for pause_seconds in PAUSES_SECONDS:
                died, recovery = await play(saga, (first,), pause_seconds)
                assert died == undisturbed[: first + 1]
                pairs.extend(((first, second), pause_seconds) for second in range(len(recovery)))
        for crashes, pause_seconds in random.Random(saga.name).sample(pairs, PAIRS):
            await play(saga, crashes, pause_seconds)
        return len(undisturbed), len(pairs)

    points, pairs = asyncio.run(play_all())
    tell(f"five steps that are {saga.name}: a crash at each of {points} points, at {PAIRS} of {pairs} pairs of them")
    assert points >= 4 * len(STEPS)


@pytest.mark.parametrize("pause_seconds", PAUSES_SECONDS)
@pytest.mark.parametrize("finished", range(len(STEPS)))
def test_a_request_that_kills_its_worker_at_a_step_is_undone(finished: int, pause_seconds: float) -> None:
    """Given three deaths in the same step, then what was finished before it is undone, and the request says why.

    Also if the dead still have the journal when the next one comes: it waits for it, and stays a suspect.
    """

    async def play_it() -> World:
        world = World()
        for _ in range(MAX_STARTS + 1):
            await Process(world, f"before {STEPS[finished]}").live()
            world.clock.pass_by(pause_seconds)
        return world

    world = asyncio.run(play_it())
    assert world.item["error"] == {"S": KILLED_ITS_WORKER}
    undos = [f"undo {name}" for name in reversed(STEPS[:finished])]
    assert world.log == [*STEPS[:finished], *(["turn"] if finished else []), *undos]
    assert world.entry is not None
    assert world.entry.closed == (UNDONE if finished else FAILED)

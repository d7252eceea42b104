"""Plays one seed and tells what became of it."""

import gc
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.simulation.history import ViolationError
from tests.simulation.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a seed.

    Args:
        seed: the seed.
        world: who consumes.
        faults: classes of fault that struck.
        steps: events on the loop.
        requests: requests accepted.
        runs: starts of their handlers.
        redrives: of pending and waiting requests: by the sweep, or a replay.
        operated: redrives of failed, done and gone ones, by operators.
        outcomes: how many each consumer brought.
        weaknesses: what only a documented weakness allows, and was met.
        sagas: what was met of requests with steps.
        violation: the broken promise; "" if all were kept.
        lines: the history to show: of the request concerned if a promise was broken, else only on demand.
    """

    seed: int
    world: str
    faults: frozenset[str]
    steps: int
    requests: int
    runs: int
    redrives: int
    operated: int
    outcomes: Mapping[str, int]
    weaknesses: frozenset[str]
    sagas: Mapping[str, int]
    violation: str
    lines: tuple[str, ...]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the product from logging what it is made to suffer."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def play(seed: int, *, trace: bool = False, promises: frozenset[str] | None = None) -> Report:
    """Play one seed.

    Args:
        seed: which.
        trace: return the whole history.
        promises: the only ones to demand; None for all.
    """
    world = World(seed, tracing=trace, promises=promises)
    violation, about = "", ""
    collecting = gc.isenabled()
    gc.disable()  # what is left of a killed process must not be woken up at an arbitrary moment
    try:
        with quiet():
            world.run()
    except ViolationError as broken:
        violation, about = str(broken), broken.about
    finally:
        if collecting:
            gc.enable()
    lives = world.checker.lives.values()
    return Report(
        seed=seed,
        world=world.plan.world,
        faults=frozenset(world.faults.struck),
        steps=world.loop.steps,
        requests=len(lives),
        runs=sum(len(life.runs) for life in lives),
        redrives=sum(life.redrives for life in lives),
        operated=sum(life.operated for life in lives),
        outcomes=dict(world.checker.outcomes),
        weaknesses=frozenset(world.checker.runs.weaknesses | world.checker.operations.weaknesses),
        sagas=dict(world.sagas.met),
        violation=violation,
        lines=tuple(world.history.lines(None if trace else about)) if trace or violation else (),
    )

"""Requests that harm the process that runs them, and what they must be failed with."""

import random
from collections.abc import Mapping
from typing import Final

from dropslot.core.policy import KILLED_ITS_WORKER
from dropslot.local.options import KCL, LAMBDA
from tests.chaos.workload import Task, failing

#: By what the body's `do` names (handlers.py).
_ERRORS: Final[Mapping[str, str]] = {
    "exit": KILLED_ITS_WORKER,
    "crash": KILLED_ITS_WORKER,
    "eat": KILLED_ITS_WORKER,
    "gorge": KILLED_ITS_WORKER,
    "freeze": KILLED_ITS_WORKER,
    "hang": "did not return within 5 s (given up after 3 tries)",
    "large": "the handler's result is too large",
}
_KILLERS: Final = ("exit", "crash", "eat")
#: Deeds that kill at once the process that runs them, by consumer; only a function has a memory limit of its own.
KILLERS: Final[Mapping[str, tuple[str, ...]]] = {KCL: _KILLERS, LAMBDA: (*_KILLERS, "gorge")}
#: What comes in a poisoned run unless somebody chooses, by consumer. Only a function has a time-out, too.
POISONS: Final[Mapping[str, tuple[str, ...]]] = {
    KCL: ("exit", "eat", "hang", "large"),
    LAMBDA: ("exit", "gorge", "freeze", "hang", "large"),
}


def poison(deed: str, key: str) -> Task:
    """Make a request that does this, and must be failed for it."""
    return failing(deed, key, _ERRORS[deed])


def mixed_poison(seed: int, consumer: str) -> list[Task]:
    """Return poison for a mixed campaign, in an order of chance; one of them kills its process."""
    chance = random.Random(seed)
    deeds = ["hang", "large", chance.choice(KILLERS[consumer])]
    chance.shuffle(deeds)
    return [poison(deed, f"poison-{deed}") for deed in deeds]


def costs_a_process(deed: str) -> bool:
    """Tell whether the process that runs it ends of it."""
    return _ERRORS[deed] == KILLED_ITS_WORKER

"""A campaign: requests come in while faults strike, then everything must settle and the books must agree."""

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.faults import FAULTS
from tests.chaos.ledger import Ledger
from tests.chaos.rig import Rig
from tests.chaos.stand import running_rig
from tests.chaos.strikes import LEAST_UNSETTLED, Fault
from tests.chaos.workload import Task, ordinary

_SETTLE_SECONDS: Final = 600.0
_SETTLE_SECONDS_PER_REQUEST: Final = 0.1
_LOAD_SECONDS: Final = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A fault that struck.

    Args:
        fault: its name.
        unsettled: how many requests were unsettled when it did.
    """

    fault: str
    unsettled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a campaign came to.

    Args:
        name: of the campaign.
        strikes: the faults, in order.
        ledger: the books.
        again: requests that the client had to send again.
        lost_invocations: invocations of the function that got no answer; each is a batch that came again.
        settle_seconds: from the last request that was accepted to the last that was settled.
        seconds: all of it, without the start of the stack.
    """

    name: str
    strikes: Sequence[Strike]
    ledger: Ledger
    again: int
    lost_invocations: int
    settle_seconds: float
    seconds: float


def schedule(seed: int, count: int, consumer: str) -> list[str]:
    """Draw a consumer's faults at random, each kind once before any comes again."""
    chance = random.Random(seed)
    kinds = list(FAULTS[consumer])
    drawn: list[str] = []
    while len(drawn) < count:
        chance.shuffle(kinds)
        drawn += kinds
    return drawn[:count]


def run_campaign(
    name: str,
    folder: Path,
    *,
    consumer: str,
    faults: Sequence[str],
    requests: int,
    seed: int,
    extra: Sequence[Task] = (),
    concurrency: int = 8,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run one campaign on a stack of its own.

    The requests come in as many portions as there are faults: each portion's backlog is what its fault strikes.

    Args:
        name: what the report calls it.
        folder: an empty one.
        consumer: what runs requests.
        faults: which ones strike, in this order.
        requests: how many ordinary ones are handed in.
        seed: decides over requests and over what faults leave open.
        extra: further requests, handed in first.
        concurrency: of each shard.
        say: told what happens.

    Raises:
        AssertionError: a fault struck too few requests, or not everything settled in time.
    """
    chance = random.Random(seed)
    tasks = ordinary(requests, seed)
    persistent = any(FAULTS[consumer][fault].persistent for fault in faults)
    patience_seconds = _SETTLE_SECONDS + requests * _SETTLE_SECONDS_PER_REQUEST
    settings = {"DROPSLOT_CONCURRENCY": str(concurrency)}
    with (
        running_rig(folder, consumer=consumer, persistent=persistent, settings=settings) as rig,
        ThreadPoolExecutor(1) as sender,
    ):
        started = time.monotonic()
        rig.client.send_all(extra)
        strikes = []
        try:
            for at, fault in enumerate(faults):
                if fault in faults[:at]:
                    # Whoever is under way at three deaths in a row is blamed for them, as it must be: not by us.
                    rig.await_settled(patience_seconds)
                portion = tasks[at * len(tasks) // len(faults) : (at + 1) * len(tasks) // len(faults)]
                sending = sender.submit(rig.client.send_all, portion)
                unsettled = _strike(rig, FAULTS[consumer][fault], sending, chance)
                say(f"{fault} struck with {unsettled} unsettled, {len(rig.client.accepted)} accepted by now")
                strikes.append(Strike(fault=fault, unsettled=unsettled))
                sending.result()
        finally:
            rig.client.give_up()
        settle_seconds = rig.await_settled(patience_seconds)
        seconds = time.monotonic() - started
        rig.stack.check()
        return Report(
            name=name,
            strikes=strikes,
            ledger=rig.audit(),
            again=rig.client.again,
            lost_invocations=rig.lost_invocations(),
            settle_seconds=settle_seconds,
            seconds=seconds,
        )


def _strike(rig: Rig, fault: Fault, sending: "Future[None]", chance: random.Random) -> int:
    """Let a fault strike; return how many requests were unsettled then."""
    with ExitStack() as lasting:
        with rig.slow_handlers():
            rig.await_pile(fault.pile, _LOAD_SECONDS)
            unsettled = lasting.enter_context(fault.strike(rig, chance))
        assert unsettled >= LEAST_UNSETTLED, f"it struck {unsettled} unsettled requests only"
    if sending.done():
        sending.result()
    return unsettled

"""Ways to strike a running pipeline; each mends again what nothing else would."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

from tests.chaos import proxy
from tests.chaos.patience import eventually
from tests.chaos.rig import Rig

#: Enters once it has struck, with the number of requests that were unsettled at that moment; lasts for the block's end,
#: and mends what it broke by hand there. Whether the pipeline has recovered is the campaign's question.
Strike = Callable[[Rig, random.Random], AbstractContextManager[int]]
#: Finds the process to strike; waits until there is one.
Find = Callable[[Rig, random.Random], int]

_SIGNAL_SECONDS: Final = 10.0
_SPOILT_SECONDS: Final = 15.0
#: A fault that strikes while fewer requests are unsettled has hit nothing.
LEAST_UNSETTLED: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault.

    Args:
        strike: does it, while handlers are slow until it has struck.
        persistent: it restarts a server, which must keep its data.
        pile: how many requests are to be unsettled before it begins; more than must be when it strikes, since some are
            settled until then.
    """

    strike: Strike
    persistent: bool = False
    pile: int = 75


def killing(find: Find) -> Strike:
    """Kill a process that somebody else starts again."""

    @contextmanager
    def strike(rig: Rig, chance: random.Random) -> Iterator[int]:
        unsettled = rig.unsettled()
        send_signal(rig, chance, find, signal.SIGKILL)
        yield unsettled

    return strike


def pausing(find: Find, low_seconds: float, high_seconds: float) -> Strike:
    """Let a process stand still for a time."""

    @contextmanager
    def strike(rig: Rig, chance: random.Random) -> Iterator[int]:
        unsettled = rig.unsettled()
        pid = send_signal(rig, chance, find, signal.SIGSTOP)
        try:
            yield unsettled
            time.sleep(chance.uniform(low_seconds, high_seconds))
        finally:
            with contextlib.suppress(ProcessLookupError):  # whoever watches over it may have killed it
                os.kill(pid, signal.SIGCONT)

    return strike


def restarting(name: str, low_seconds: float, high_seconds: float) -> Strike:
    """Kill a process of the stack, and start it again after a time."""

    @contextmanager
    def strike(rig: Rig, chance: random.Random) -> Iterator[int]:
        unsettled = rig.unsettled()
        rig.stack.check()  # it runs
        rig.stack.kill(name)
        yield unsettled
        time.sleep(chance.uniform(low_seconds, high_seconds))
        # Of a killed consumer the daemon may still be draining when the next one starts, under the same worker's name.
        rig.stack.restart(name)

    return strike


def misbehaving(rules: Sequence[proxy.Rule]) -> Strike:
    """Have DynamoDB answer as in bad times."""

    @contextmanager
    def strike(rig: Rig, chance: random.Random) -> Iterator[int]:
        before = rig.proxy.struck()
        rig.proxy.misbehave(rules)
        try:
            eventually(lambda: rig.proxy.struck() > before, _SPOILT_SECONDS, lambda: "the proxy spoilt no call")
            yield rig.unsettled()
            time.sleep(chance.uniform(5, 10))
        finally:
            rig.proxy.misbehave(())

    return strike


def the(name: str) -> Find:
    """Find the process of this name."""
    return lambda rig, _: rig.pid(name)


def send_signal(rig: Rig, chance: random.Random, find: Find, number: int) -> int:
    """Signal a process that is there to take it: one that ended since it was found was not struck, so find another."""
    deadline = time.monotonic() + _SIGNAL_SECONDS
    while True:
        pid = find(rig, chance)
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            assert time.monotonic() < deadline, f"no process stays long enough for signal {number}"
        else:
            return pid

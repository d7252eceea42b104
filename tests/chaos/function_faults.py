"""The faults of functions and of what invokes them."""

import random
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from dropslot.local.process import is_running
from dropslot.local.stack import CONSUMER
from tests.chaos.patience import eventually
from tests.chaos.poisons import poison
from tests.chaos.rig import Rig
from tests.chaos.stand import MAPPING
from tests.chaos.strikes import Fault, killing, pausing, restarting, send_signal, the
from tests.chaos.workload import ordinary

_NOTICED_SECONDS: Final = 30.0
#: A batch notices within milliseconds that its function is gone.
_AMID_A_BATCH_SECONDS: Final = 2.0
_MORE_REQUESTS: Final = 120


@contextmanager
def _kill_function(rig: Rig, chance: random.Random) -> Iterator[int]:
    unsettled, lost = rig.unsettled(), rig.lost_invocations()
    while rig.lost_invocations() == lost:
        # Nobody notices the death of an environment that is idle: then it is another one's turn.
        send_signal(rig, chance, _a_function, signal.SIGKILL)
        with suppress(AssertionError):
            eventually(lambda: rig.lost_invocations() > lost, _AMID_A_BATCH_SECONDS, lambda: "it was idle")
    yield unsettled


@contextmanager
def _time_out(rig: Rig, chance: random.Random) -> Iterator[int]:
    """Let a function stand still until its time-out is up: then it is ended."""
    unsettled = rig.unsettled()
    pid = send_signal(rig, chance, _a_function, signal.SIGSTOP)
    yield unsettled
    limit = MAPPING.stream_timeout_seconds + _NOTICED_SECONDS
    eventually(lambda: not is_running(pid), limit, lambda: "the function wasn't ended at its time-out")


@contextmanager
def _pass_the_memory_limit(rig: Rig, chance: random.Random) -> Iterator[int]:
    """Have a request take more memory than its function may, with others under way beside it and behind it."""
    number = chance.randrange(1 << 32)
    lost = rig.lost_invocations()
    rig.client.send_all([poison("gorge", f"gorge-{number:x}")])
    rig.client.send_all(ordinary(_MORE_REQUESTS, number, prefix=f"gorge-{number:x}"))
    eventually(lambda: rig.lost_invocations() > lost, _NOTICED_SECONDS, lambda: "the function wasn't ended")
    yield rig.unsettled()


def _a_function(rig: Rig, chance: random.Random) -> int:
    return chance.choice(rig.function_pids())


FAULTS: Final[Mapping[str, Fault]] = {
    "kill-function": Fault(strike=_kill_function),
    "pause-function": Fault(strike=pausing(_a_function, 2, 8)),
    "function-timeout": Fault(strike=_time_out),
    "function-memory": Fault(strike=_pass_the_memory_limit),
    "kill-sweep": Fault(strike=killing(the("dropslot-sweep 1"))),
    "kill-poller": Fault(strike=restarting(CONSUMER, 0, 2)),
    "pause-poller": Fault(strike=pausing(the(CONSUMER), 3, 8)),
}

"""The faults: each strikes a running pipeline and, where nothing else would, mends it again."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

from dropslot.local import kinesis_data
from dropslot.local.stack import CONSUMER, DYNAMODB, KINESIS, RELAY
from dropslot.local.tables import open_shards
from tests.chaos import proxy
from tests.chaos.patience import eventually
from tests.chaos.rig import Rig
from tests.chaos.workload import ordinary

#: Enters once it has struck, with the number of requests that were unsettled at that moment; lasts for the block's end,
#: and mends what it broke by hand there. Whether the pipeline has recovered is the campaign's question.
Strike = Callable[[Rig, random.Random], AbstractContextManager[int]]
#: Finds the process to strike; waits until there is one.
Find = Callable[[Rig, random.Random], int]

_JOIN_SECONDS: Final = 90.0
_RESHARD_SECONDS: Final = 30.0
_SIGNAL_SECONDS: Final = 10.0
_SPOILT_SECONDS: Final = 15.0
#: A fault that strikes while fewer requests are unsettled has hit nothing.
LEAST_UNSETTLED: Final = 50
_MORE_REQUESTS: Final = 120


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


def _killing(find: Find) -> Strike:
    """Kill a process that somebody else starts again."""

    @contextmanager
    def strike(rig: Rig, chance: random.Random) -> Iterator[int]:
        unsettled = rig.unsettled()
        _signal(rig, chance, find, signal.SIGKILL)
        yield unsettled

    return strike


def _pausing(find: Find, low_seconds: float, high_seconds: float) -> Strike:
    """Let a process stand still for a time."""

    @contextmanager
    def strike(rig: Rig, chance: random.Random) -> Iterator[int]:
        unsettled = rig.unsettled()
        pid = _signal(rig, chance, find, signal.SIGSTOP)
        try:
            yield unsettled
            time.sleep(chance.uniform(low_seconds, high_seconds))
        finally:
            with contextlib.suppress(ProcessLookupError):  # whoever watches over it may have killed it
                os.kill(pid, signal.SIGCONT)

    return strike


def _restarting(name: str, low_seconds: float, high_seconds: float) -> Strike:
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


@contextmanager
def _restart_kinesis(rig: Rig, chance: random.Random) -> Iterator[int]:
    # kinesis-local must not be killed between two writes of its file: that would lose what AWS doesn't lose.
    rig.stack.kill(RELAY)
    assert kinesis_data.settle(rig.folder / "data" / "kinesis", 20), "kinesis-local didn't write its data"
    # First killed, then counted: it may write again at any moment, and what is unsettled changes little meanwhile.
    rig.stack.kill(KINESIS)
    yield rig.unsettled()
    time.sleep(chance.uniform(0.5, 3))
    rig.stack.restart(KINESIS)
    rig.stack.restart(RELAY)


def _misbehaving(rules: Sequence[proxy.Rule]) -> Strike:
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


@contextmanager
def _split_and_merge(rig: Rig, chance: random.Random) -> Iterator[int]:
    stream = rig.stack.info.stream
    parent = chance.choice(_shards(rig))
    keys = next(
        shard["HashKeyRange"]
        for shard in rig.kinesis.list_shards(StreamName=stream)["Shards"]
        if shard["ShardId"] == parent
    )
    middle = (int(keys["StartingHashKey"]) + int(keys["EndingHashKey"])) // 2
    before = set(_shards(rig))
    rig.kinesis.split_shard(StreamName=stream, ShardToSplit=parent, NewStartingHashKey=str(middle))
    eventually(lambda: len(_shards(rig)) == len(before) + 1, _RESHARD_SECONDS, lambda: "the shard wasn't split")
    yield rig.unsettled()
    time.sleep(chance.uniform(2, 6))
    first, second = sorted(set(_shards(rig)) - before)
    rig.kinesis.merge_shards(StreamName=stream, ShardToMerge=first, AdjacentShardToMerge=second)
    eventually(lambda: len(_shards(rig)) == len(before), _RESHARD_SECONDS, lambda: "the shards weren't merged")


@contextmanager
def _second_worker(rig: Rig, chance: random.Random) -> Iterator[int]:
    name = f"worker-{chance.randrange(1 << 32):x}"
    with rig.second_worker(name) as worker:
        eventually(lambda: bool(worker.shards()), _JOIN_SECONDS, lambda: "the second worker was given no shard")
        # By now the backlog may be gone: its death is to strike requests of its own.
        rig.client.send_all(ordinary(_MORE_REQUESTS, chance.randrange(1 << 32), prefix=name))
        unsettled = rig.unsettled()
        worker.die()
        yield unsettled


def _a_shard(rig: Rig, chance: random.Random) -> int:
    return chance.choice(rig.shard_pids())


def _the(name: str) -> Find:
    return lambda rig, _: rig.pid(name)


FAULTS: Final[Mapping[str, Fault]] = {
    "kill-shard": Fault(strike=_killing(_a_shard)),
    "pause-shard": Fault(strike=_pausing(_a_shard, 2, 8)),
    "kill-daemon": Fault(strike=_killing(_the("daemon"))),
    # Longer than the ten seconds that its leases last, with what the next look at them takes.
    "pause-daemon": Fault(strike=_pausing(_the("daemon"), 12, 17)),
    "kill-relay": Fault(strike=_restarting(RELAY, 0, 2)),
    "pause-relay": Fault(strike=_pausing(_the(RELAY), 2, 8)),
    "kill-supervisor": Fault(strike=_restarting(CONSUMER, 0, 2)),
    "pause-supervisor": Fault(strike=_pausing(_the(CONSUMER), 3, 8)),
    "restart-dynamodb": Fault(strike=_restarting(DYNAMODB, 0.5, 3), persistent=True),
    # What kinesis-local needs to write its file, the consumer goes on for.
    "restart-kinesis": Fault(strike=_restart_kinesis, persistent=True, pile=110),
    "throttles": Fault(strike=_misbehaving(proxy.THROTTLES)),
    "resets": Fault(strike=_misbehaving(proxy.RESETS)),
    "latency": Fault(strike=_misbehaving(proxy.LATENCY)),
    "server-errors": Fault(strike=_misbehaving(proxy.SERVER_ERRORS)),
    "split-merge": Fault(strike=_split_and_merge),
    "second-worker": Fault(strike=_second_worker),
}


def _shards(rig: Rig) -> tuple[str, ...]:
    return open_shards(rig.kinesis, rig.stack.info.stream)


def _signal(rig: Rig, chance: random.Random, find: Find, number: int) -> int:
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

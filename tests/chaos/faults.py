"""The faults: each strikes a running pipeline and, where nothing else would, mends it again."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from dropslot.local import kinesis_data
from dropslot.local.stack import CONSUMER, DYNAMODB, KINESIS, RELAY
from dropslot.local.tables import open_shards
from tests.chaos import proxy
from tests.chaos.patience import eventually
from tests.chaos.rig import Rig
from tests.chaos.workload import ordinary

_HASH_KEYS: Final = 1 << 128
_JOIN_SECONDS: Final = 90.0
_RESHARD_SECONDS: Final = 30.0
#: A fault that strikes while fewer requests are unsettled has hit nothing.
LEAST_UNSETTLED: Final = 50
_MORE_REQUESTS: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault.

    Args:
        strike: does it; returns once what it broke by hand is mended, not when the pipeline has recovered.
        persistent: it restarts a server, which must keep its data.
    """

    strike: Callable[[Rig, random.Random], None]
    persistent: bool = False


def _kill_shard(rig: Rig, chance: random.Random) -> None:
    _signal(chance.choice(rig.shard_pids()), signal.SIGKILL)


def _pause_shard(rig: Rig, chance: random.Random) -> None:
    with _paused(chance.choice(rig.shard_pids())):
        time.sleep(chance.uniform(2, 8))


def _kill_daemon(rig: Rig, _: random.Random) -> None:
    _signal(rig.pid("daemon"), signal.SIGKILL)


def _pause_daemon(rig: Rig, chance: random.Random) -> None:
    # Longer than its leases last.
    with _paused(rig.pid("daemon")):
        time.sleep(chance.uniform(8, 14))


def _kill_relay(rig: Rig, chance: random.Random) -> None:
    rig.stack.kill(RELAY)
    time.sleep(chance.uniform(0, 2))
    rig.stack.restart(RELAY)


def _pause_relay(rig: Rig, chance: random.Random) -> None:
    with _paused(rig.pid(RELAY)):
        time.sleep(chance.uniform(2, 8))


def _kill_supervisor(rig: Rig, chance: random.Random) -> None:
    rig.stack.kill(CONSUMER)
    time.sleep(chance.uniform(0, 2))
    # Its daemon may still be draining when the next one starts, under the same worker's name.
    rig.stack.restart(CONSUMER)


def _pause_supervisor(rig: Rig, chance: random.Random) -> None:
    with _paused(rig.pid(CONSUMER)):
        time.sleep(chance.uniform(3, 8))


def _restart_dynamodb(rig: Rig, chance: random.Random) -> None:
    rig.stack.kill(DYNAMODB)
    time.sleep(chance.uniform(0.5, 3))
    rig.stack.restart(DYNAMODB)


def _restart_kinesis(rig: Rig, chance: random.Random) -> None:
    # kinesis-local must not be killed between two writes of its file: that would lose what AWS doesn't lose.
    rig.stack.kill(RELAY)
    assert kinesis_data.settle(rig.folder / "data" / "kinesis", 20), "kinesis-local didn't write its data"
    rig.stack.kill(KINESIS)
    time.sleep(chance.uniform(0.5, 3))
    rig.stack.restart(KINESIS)
    rig.stack.restart(RELAY)


def _misbehaving(rules: Sequence[proxy.Rule]) -> Callable[[Rig, random.Random], None]:
    def strike(rig: Rig, chance: random.Random) -> None:
        before = rig.proxy.struck()
        rig.proxy.misbehave(rules)
        try:
            time.sleep(chance.uniform(5, 10))
        finally:
            rig.proxy.misbehave(())
        assert rig.proxy.struck() > before, "the proxy spoilt no call"

    return strike


def _split_and_merge(rig: Rig, chance: random.Random) -> None:
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
    time.sleep(chance.uniform(2, 6))
    first, second = sorted(set(_shards(rig)) - before)
    rig.kinesis.merge_shards(StreamName=stream, ShardToMerge=first, AdjacentShardToMerge=second)
    eventually(lambda: len(_shards(rig)) == len(before), _RESHARD_SECONDS, lambda: "the shards weren't merged")


def _second_worker(rig: Rig, chance: random.Random) -> None:
    name = f"worker-{chance.randrange(1 << 32):x}"
    with rig.second_worker(name) as worker:
        eventually(lambda: bool(worker.shards()), _JOIN_SECONDS, lambda: "the second worker was given no shard")
        # By now the backlog may be gone: its death is to strike requests of its own.
        with rig.slow_handlers():
            rig.client.send_all(ordinary(_MORE_REQUESTS, chance.randrange(1 << 32), prefix=name))
            assert rig.unsettled() >= LEAST_UNSETTLED, "too few requests for the death of a worker"
            worker.die()


FAULTS: Final[Mapping[str, Fault]] = {
    "kill-shard": Fault(strike=_kill_shard),
    "pause-shard": Fault(strike=_pause_shard),
    "kill-daemon": Fault(strike=_kill_daemon),
    "pause-daemon": Fault(strike=_pause_daemon),
    "kill-relay": Fault(strike=_kill_relay),
    "pause-relay": Fault(strike=_pause_relay),
    "kill-supervisor": Fault(strike=_kill_supervisor),
    "pause-supervisor": Fault(strike=_pause_supervisor),
    "restart-dynamodb": Fault(strike=_restart_dynamodb, persistent=True),
    "restart-kinesis": Fault(strike=_restart_kinesis, persistent=True),
    "throttles": Fault(strike=_misbehaving(proxy.THROTTLES)),
    "resets": Fault(strike=_misbehaving(proxy.RESETS)),
    "latency": Fault(strike=_misbehaving(proxy.LATENCY)),
    "server-errors": Fault(strike=_misbehaving(proxy.SERVER_ERRORS)),
    "split-merge": Fault(strike=_split_and_merge),
    "second-worker": Fault(strike=_second_worker),
}


def _shards(rig: Rig) -> tuple[str, ...]:
    return open_shards(rig.kinesis, rig.stack.info.stream)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def _paused(pid: int) -> Iterator[None]:
    _signal(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(pid, signal.SIGCONT)

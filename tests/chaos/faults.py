"""The faults, by what consumes the stream: those of servers strike either consumer, those of processes its own."""

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from dropslot.local import kinesis_data
from dropslot.local.options import KCL, LAMBDA
from dropslot.local.stack import CONSUMER, DYNAMODB, KINESIS, RELAY
from dropslot.local.tables import open_shards
from tests.chaos import function_faults, proxy
from tests.chaos.patience import eventually
from tests.chaos.rig import Rig
from tests.chaos.strikes import Fault, killing, misbehaving, pausing, restarting, the
from tests.chaos.workload import ordinary

_JOIN_SECONDS: Final = 90.0
_RESHARD_SECONDS: Final = 30.0
_MORE_REQUESTS: Final = 120


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


def _shards(rig: Rig) -> tuple[str, ...]:
    return open_shards(rig.kinesis, rig.stack.info.stream)


_OF_SERVERS: Final[Mapping[str, Fault]] = {
    "kill-relay": Fault(strike=restarting(RELAY, 0, 2)),
    "pause-relay": Fault(strike=pausing(the(RELAY), 2, 8)),
    "restart-dynamodb": Fault(strike=restarting(DYNAMODB, 0.5, 3), persistent=True),
    # What kinesis-local needs to write its file, the consumer goes on for.
    "restart-kinesis": Fault(strike=_restart_kinesis, persistent=True, pile=110),
    "throttles": Fault(strike=misbehaving(proxy.THROTTLES)),
    "resets": Fault(strike=misbehaving(proxy.RESETS)),
    "latency": Fault(strike=misbehaving(proxy.LATENCY)),
    "server-errors": Fault(strike=misbehaving(proxy.SERVER_ERRORS)),
    "split-merge": Fault(strike=_split_and_merge),
}

#: By consumer and name.
FAULTS: Final[Mapping[str, Mapping[str, Fault]]] = {
    KCL: {
        "kill-shard": Fault(strike=killing(_a_shard)),
        "pause-shard": Fault(strike=pausing(_a_shard, 2, 8)),
        "kill-daemon": Fault(strike=killing(the("daemon"))),
        # Longer than the ten seconds that its leases last, with what the next look at them takes.
        "pause-daemon": Fault(strike=pausing(the("daemon"), 12, 17)),
        "kill-supervisor": Fault(strike=restarting(CONSUMER, 0, 2)),
        "pause-supervisor": Fault(strike=pausing(the(CONSUMER), 3, 8)),
        "second-worker": Fault(strike=_second_worker),
        **_OF_SERVERS,
    },
    LAMBDA: {**function_faults.FAULTS, **_OF_SERVERS},
}

"""How long the consumer needs to come up, to stop and to take over: `python -m tests.chaos.measure`.

The figures of docs/decisions/0003 come from here.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from dropslot.local.stack import CONSUMER
from dropslot.local.tables import open_shards
from tests.chaos.patience import eventually
from tests.chaos.rig import Rig
from tests.chaos.stand import running_rig
from tests.chaos.worker import Worker
from tests.chaos.workload import Task, ordinary

Say = Callable[[str, float | str], None]

_LIMIT_SECONDS: Final = 300.0
#: Enough for every shard to get some of them.
_PROBES: Final = 12


def restarts(folder: Path, say: Say) -> None:
    """Measure starts of the one worker, and what it takes of memory."""
    with running_rig(folder) as rig:
        _probe(rig, "first")
        say("memory of the daemon, MB", _memory_mb(rig.pid("daemon")))
        say("memory of a shard process, MB", _memory_mb(rig.shard_pids()[0]))
        for kind, stop in (("SIGTERM", rig.stack.halt), ("SIGKILL", rig.stack.kill)):
            started = time.monotonic()
            stop(CONSUMER)
            if kind == "SIGTERM":
                say("SIGTERM, idle: until it is gone", time.monotonic() - started)
            rig.client.send_all(_probes(kind))
            runs, started = rig.runs(), time.monotonic()
            rig.stack.restart(CONSUMER)
            _await_runs(rig, runs + 1)
            say(f"restart after {kind}: first record", time.monotonic() - started)
            rig.await_settled(_LIMIT_SECONDS)
        for name in ("JVM", "shard process"):
            pid = rig.pid("daemon") if name == "JVM" else rig.shard_pids()[0]
            runs, started = rig.runs(), time.monotonic()
            os.kill(pid, signal.SIGKILL)
            rig.client.send_all(_probes(f"killed-{name.replace(' ', '-')}"))
            _await_runs(rig, runs + _PROBES)
            say(f"SIGKILL of the {name}: until all its shards are read again", time.monotonic() - started)
            rig.await_settled(_LIMIT_SECONDS)


def handover(folder: Path, say: Say) -> None:
    """Measure what happens when the worker that leads goes while another one is there."""
    for kind in ("SIGTERM", "SIGKILL"):
        with running_rig(folder / kind) as rig, rig.second_worker("second") as second:
            _probe(rig, "first")
            started = time.monotonic()
            second.join(_LIMIT_SECONDS)
            say(f"{kind}: a second worker's daemon starts", time.monotonic() - started)
            share = _share(second)
            say(f"{kind}: the second worker gets its share", share if share is not None else "not within 60 s")
            daemon = rig.pid("daemon")
            started = time.monotonic()
            if kind == "SIGTERM":
                say("exit code of the leader", str(rig.stack.halt(CONSUMER)))
                say("SIGTERM of the leader: until it is gone", time.monotonic() - started)
            else:
                rig.stack.kill(CONSUMER)
                os.killpg(daemon, signal.SIGKILL)
            runs = rig.runs()
            rig.client.send_all(_probes(f"after-{kind}"))
            _await_runs(rig, runs + _PROBES)
            say(f"{kind} of the leader: until the other worker has read all shards", time.monotonic() - started)


def ended_shard(folder: Path, say: Say) -> None:
    """Measure a stop while leases of ended shards are there, and the start after it."""
    with running_rig(folder, shards=1) as rig:
        _probe(rig, "first")
        stream, parent = rig.stack.info.stream, open_shards(rig.kinesis, rig.stack.info.stream)[0]
        started = time.monotonic()
        rig.kinesis.split_shard(StreamName=stream, ShardToSplit=parent, NewStartingHashKey=str(1 << 127))
        eventually(lambda: parent not in open_shards(rig.kinesis, stream), 30, lambda: "not split")
        runs = rig.runs()
        rig.client.send_all(_probes("children"))
        _await_runs(rig, runs + _PROBES)
        say("split: until both children have been read", time.monotonic() - started)
        say("lease of the ended shard", _leases(rig).get(parent, "gone"))
        started = time.monotonic()
        say("exit code of a stop with it", str(rig.stack.halt(CONSUMER)))
        say("SIGTERM with an ended shard: until it is gone", time.monotonic() - started)
        say("lease of the ended shard after the stop", _leases(rig).get(parent, "gone"))
        rig.client.send_all(_probes("restarted"))
        runs, started = rig.runs(), time.monotonic()
        rig.stack.restart(CONSUMER)
        _await_runs(rig, runs + _PROBES)
        say("restart with an ended shard: until all children are read", time.monotonic() - started)
        rig.await_settled(_LIMIT_SECONDS)
        say("handler runs per request", rig.audit().runs_per_request)


def leaderless(folder: Path, say: Say) -> None:
    """Measure how long a split waits for its followers after the death of the JVM that led."""
    with running_rig(folder, shards=1) as rig:
        _probe(rig, "first")
        stream, parent = rig.stack.info.stream, open_shards(rig.kinesis, rig.stack.info.stream)[0]
        os.kill(rig.pid("daemon"), signal.SIGKILL)
        _probe(rig, "again")
        started = time.monotonic()
        rig.kinesis.split_shard(StreamName=stream, ShardToSplit=parent, NewStartingHashKey=str(1 << 127))
        eventually(lambda: parent not in open_shards(rig.kinesis, stream), 30, lambda: "not split")
        runs = rig.runs()
        rig.client.send_all(_probes("children"))
        _await_runs(rig, runs + _PROBES)
        say("split after SIGKILL of the JVM: until both children have been read", time.monotonic() - started)


MEASUREMENTS: Final[Mapping[str, Callable[[Path, Say], None]]] = {
    "restarts": restarts,
    "handover": handover,
    "ended-shard": ended_shard,
    "leaderless": leaderless,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print, one line a figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.measure", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *MEASUREMENTS], help="all by default")
    parser.add_argument("--folder", type=Path, help="takes logs and data; default: a temporary one")
    options = parser.parse_args(arguments)
    folder = options.folder if options.folder is not None else Path(tempfile.mkdtemp(prefix="dropslot-measure-"))
    console = Console(width=140)

    def say(what: str, value: float | str) -> None:
        load = os.getloadavg()[0]
        shown = f"{value:.1f}" if isinstance(value, float) else value
        console.print(f"{what:<75} {shown:>20}   (load {load:.1f})", highlight=False)

    for name in options.what or MEASUREMENTS:
        MEASUREMENTS[name](folder / name, say)
    return 0


def _probes(prefix: str) -> list[Task]:
    return ordinary(_PROBES, seed=1, prefix=prefix)


def _probe(rig: Rig, prefix: str) -> None:
    rig.client.send_all(_probes(prefix))
    rig.await_settled(_LIMIT_SECONDS)


def _await_runs(rig: Rig, least: int) -> None:
    eventually(lambda: rig.runs() >= least, _LIMIT_SECONDS, lambda: f"{rig.runs()} of {least} runs")


def _share(worker: Worker) -> float | None:
    try:
        return eventually(lambda: bool(worker.shards()), 60, lambda: "no shard came over")
    except AssertionError:
        return None


def _leases(rig: Rig) -> dict[str, str]:
    leases = rig.dynamodb.scan(TableName="dropslot", ConsistentRead=True)["Items"]
    return {lease["leaseKey"]["S"]: lease["checkpoint"]["S"] for lease in leases if "checkpoint" in lease}


def _memory_mb(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())

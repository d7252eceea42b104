"""What a running consumer tells of itself by the files in its state folder."""

import json
from collections import Counter
from pathlib import Path

from dropslot.local.mapping.beat import read_beat
from dropslot.local.options import KCL, LAMBDA
from dropslot.runtimes.kcl.heartbeat import WORKER_FILE, read_shard_beats


def shards_up(state_dir: Path) -> set[str]:
    """Return the ids of the shards whose records are taken: by a process of KCL each, or by the mapping."""
    mapping = read_beat(state_dir)
    return {beat.shard_id for beat in read_shard_beats(state_dir)} | set(mapping.shards if mapping is not None else ())


def shard_pids(state_dir: Path) -> dict[str, int]:
    """Return the process id for each shard that has a process; under the Lambda consumer none has."""
    return {beat.shard_id: beat.pid for beat in read_shard_beats(state_dir)}


def process_ids(state_dir: Path) -> dict[str, int]:
    """Return the ids of the processes under the consumer.

    Under KCL: `daemon`, and one named after each shard. Under Lambda: one named after each execution environment.
    """
    pids = {f"shard {shard_id}": pid for shard_id, pid in shard_pids(state_dir).items()}
    try:
        daemon = json.loads((state_dir / WORKER_FILE).read_bytes()).get("daemon_pid")
    except (OSError, ValueError):
        daemon = None
    mapping = read_beat(state_dir)
    functions = dict(mapping.functions) if mapping is not None else {}
    return ({"daemon": daemon} if isinstance(daemon, int) else {}) | pids | functions


def counted(state_dir: Path) -> dict[str, Counter[str]]:
    """Return what the processes of each consumer say they have counted, by name of the consumer."""
    kcl: Counter[str] = Counter()
    for beat in read_shard_beats(state_dir):
        kcl.update(beat.counters)
    mapping = read_beat(state_dir)
    return {KCL: kcl, LAMBDA: Counter(mapping.counters if mapping is not None else {})}

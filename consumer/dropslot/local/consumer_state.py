"""What a running consumer tells of itself by the files in its state folder."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from dropslot.local.mapping.beat import read_beat
from dropslot.local.options import KCL, LAMBDA
from dropslot.runtimes.kcl.heartbeat import WORKER_FILE, read_shard_beats
from dropslot.runtimes.kcl.supervisor import PAUSED


def shards_up(state_dir: Path) -> set[str]:
    """Return the ids of the shards whose records are taken: by a process of KCL each, or by the mapping."""
    mapping = read_beat(state_dir)
    return {beat.shard_id for beat in read_shard_beats(state_dir)} | set(mapping.shards if mapping is not None else ())


def is_paused(state_dir: Path) -> bool:
    """Tell whether the consumer is up and runs nothing, because an operator wants it so."""
    return _worker(state_dir).get("state") == PAUSED


def shard_pids(state_dir: Path) -> dict[str, int]:
    """Return the process id for each shard that has a process; under the Lambda consumer none has."""
    return {beat.shard_id: beat.pid for beat in read_shard_beats(state_dir)}


def process_ids(state_dir: Path) -> dict[str, int]:
    """Return the ids of the processes under the consumer.

    Under KCL: `daemon`, and one named after each shard. Under Lambda: one named after each execution environment.
    """
    pids = {f"shard {shard_id}": pid for shard_id, pid in shard_pids(state_dir).items()}
    daemon = _worker(state_dir).get("daemon_pid")
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


def _worker(state_dir: Path) -> dict[str, Any]:
    try:
        worker: dict[str, Any] = json.loads((state_dir / WORKER_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return worker

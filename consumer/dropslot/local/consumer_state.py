"""What a running consumer tells of itself by the files in its state folder."""

import json
from pathlib import Path

from dropslot.runtimes.kcl.heartbeat import WORKER_FILE, read_shard_beats


def shards_up(state_dir: Path) -> set[str]:
    """Return the ids of the shards that have a process which takes records."""
    return {beat.shard_id for beat in read_shard_beats(state_dir)}


def shard_pids(state_dir: Path) -> dict[str, int]:
    """Return the process id for each shard that has a process."""
    return {beat.shard_id: beat.pid for beat in read_shard_beats(state_dir)}


def process_ids(state_dir: Path) -> dict[str, int]:
    """Return the ids of the processes under the consumer: `daemon`, and one named after each shard."""
    pids = {f"shard {shard_id}": pid for shard_id, pid in shard_pids(state_dir).items()}
    try:
        daemon = json.loads((state_dir / WORKER_FILE).read_bytes()).get("daemon_pid")
    except (OSError, ValueError):
        daemon = None
    return ({"daemon": daemon} if isinstance(daemon, int) else {}) | pids

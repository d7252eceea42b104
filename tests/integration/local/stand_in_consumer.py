"""Run as a script: a consumer reduced to the files by which the stack sees that one is up; it takes no records."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from dropslot.local.clients import kinesis_client
from dropslot.local.tables import open_shards


def main() -> None:
    """Write the heartbeats of a worker, a daemon and one process a shard, and wait for SIGTERM."""
    state_dir = Path(os.environ["DROPSLOT_STATE_DIR"])
    kinesis = kinesis_client(os.environ["AWS_ENDPOINT_URL_KINESIS"])
    for shard_id in open_shards(kinesis, os.environ["DROPSLOT_STREAM"]):
        # A child in a group of its own, like the real daemon's: killing the consumer's group doesn't reach it.
        child = subprocess.Popen([sys.executable, "-c", _SHARD], start_new_session=True)
        beat = {"pid": child.pid, "shard_id": shard_id, "beat_epoch_seconds": time.time(), "state": "running"}
        beat |= {"checkpoint": None, "counters": {}}
        (state_dir / f"shard-{shard_id}.json").write_text(json.dumps(beat))
    sys.stdout.write(f"journal: {os.environ['DROPSLOT_JOURNAL']}\n")
    sys.stdout.flush()
    (state_dir / "worker.json").write_text(json.dumps({"pid": os.getpid(), "state": "running"}))
    while signal.sigwait({signal.SIGTERM, signal.SIGUSR1}) == signal.SIGUSR1:
        sys.stdout.write("told to start anew\n")
        sys.stdout.flush()


_SHARD = """
import time
while True:
    time.sleep(60)
"""

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    main()

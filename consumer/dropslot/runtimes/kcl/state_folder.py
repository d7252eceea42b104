"""The folder where a consumer keeps what its processes share: properties, heartbeats, the worker's name."""

import fcntl
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.kcl.heartbeat import SHARD_PREFIX

_LOCK_FILE: Final = "lock"
_WORKER_ID_FILE: Final = "worker-id"


@contextmanager
def state_folder(configured: str) -> Iterator[Path]:
    """Hold the state folder for as long as a consumer runs.

    Args:
        configured: `Settings.state_dir`; "" makes a temporary folder and removes it at the end.

    Raises:
        ConfigurationError: when it can't be written, or another consumer holds it: both would read the same shards
            under one name.
    """
    folder = Path(configured) if configured else Path(tempfile.mkdtemp(prefix="dropslot-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as failed:
        raise ConfigurationError(f"DROPSLOT_STATE_DIR={folder} can't be written: {failed.strerror}") from failed
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as failed:
            raise ConfigurationError(f"DROPSLOT_STATE_DIR={folder} is in use by another consumer") from failed
        forget_shards(folder)
        yield folder.resolve()
    finally:
        os.close(lock)
        if not configured:
            shutil.rmtree(folder, ignore_errors=True)


def worker_id(folder: Path) -> str:
    """Return this worker's name, the same for as long as the folder lives.

    KCL gives a worker its own leases back at once, while another name waits until they expire, and for two minutes
    if the last leader was killed.
    """
    file = folder / _WORKER_ID_FILE
    if not file.exists():
        draft = file.with_suffix(".draft")
        draft.write_text(f"{socket.gethostname()}:{uuid.uuid4()}")
        draft.replace(file)
    return file.read_text().strip()


def forget_shards(folder: Path) -> None:
    """Remove the heartbeats of shard processes that are no more."""
    for file in folder.glob(f"{SHARD_PREFIX}*"):
        file.unlink(missing_ok=True)

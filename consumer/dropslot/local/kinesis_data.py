"""Keeps a persistent stack consistent although kinesis-local rewrites its one file in place every few seconds.

Ended in the middle, it leaves an empty file that it can't start on; ended between two writes, it forgets records that
the relay and the consumer have already passed, and answers their positions with an error. So a stack that wasn't
stopped in order starts with an empty stream, and the relay fills it again from the table's own change stream.
"""

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dropslot.local.relay import state as relay_states

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_FILE: Final = "kinesis-data.json"
_MARK: Final = "in-use"
#: KCL's tables beside the lease table, which has the application's own name.
_LEASE_TABLE_SUFFIXES: Final = ("", "-WorkerMetricStats", "-CoordinatorState")
_POLL_SECONDS: Final = 0.05


def begin(data_dir: Path, relay_state: Path) -> bool:
    """Mark the stream's data as in use; to be called before kinesis-local starts.

    Args:
        data_dir: kinesis-local's data folder.
        relay_state: the relay's state file.

    Returns:
        Whether the stream starts empty because the last stack wasn't stopped in order. Then the consumer's positions
        must go too: see `forget_leases`.
    """
    mark = data_dir / _MARK
    unclean = mark.exists()
    if unclean:
        shutil.rmtree(data_dir)
        with contextlib.suppress(OSError, ValueError):
            state = relay_states.read(relay_state)
            state.positions.clear()
            relay_states.save(relay_state, state)
    data_dir.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return unclean


def forget_leases(client: "DynamoDBClient", application: str) -> None:
    """Delete a consumer's lease tables, whose positions belong to a stream that is gone."""
    for suffix in _LEASE_TABLE_SUFFIXES:
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            client.delete_table(TableName=application + suffix)


def settle(data_dir: Path, timeout_seconds: float) -> bool:
    """Wait until the file holds everything put before this call, and take the mark away.

    Nothing may be put meanwhile, and kinesis-local must be killed at once afterwards, before it writes again.

    Returns:
        Whether the file is complete. If not, the next stack begins with an empty stream.
    """
    file = data_dir / _FILE
    asked_ns = time.time_ns()
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if file.exists() and file.stat().st_mtime_ns > asked_ns and _is_whole(file):
            (data_dir / _MARK).unlink(missing_ok=True)
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _is_whole(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return True

"""What the relay must remember to go on where it stopped, in one small file that is replaced as a whole."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from dropslot.core import names

STATUSES: Final = (names.PENDING, names.WAITING, names.FAILED, names.DONE)
COUNTERS: Final = (
    "read",
    "relayed",
    "skipped",
    "duplicated",
    "delayed",
    "reordered",
    "oversized",
    "expired",
    "retried",
)


class RelayState(msgspec.Struct, kw_only=True):
    """The relay's memory; also what others may read of it.

    Args:
        pid: process that wrote it.
        stream_arn: the change stream that positions belong to.
        positions: per shard, the sequence number up to which all records are in Kinesis.
        counted: per shard, the sequence number up to which records are in `statuses`.
        statuses: how many items of the table have each status, by the changes read so far.
        expiring: ids of items that the relay deletes because their time to live has passed.
        counters: what it has done, over all its runs.
    """

    pid: int = 0
    stream_arn: str = ""
    positions: dict[str, str] = msgspec.field(default_factory=dict)
    counted: dict[str, str] = msgspec.field(default_factory=dict)
    statuses: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    expiring: set[str] = msgspec.field(default_factory=set)
    counters: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))

    def count_statuses(self, shard_id: str, event: Mapping[str, Any]) -> None:
        """Move the counts by one change, unless an earlier run has: after a kill some records are read again."""
        change = event["dynamodb"]
        sequence_number = change["SequenceNumber"]
        last = self.counted.get(shard_id)
        if last is not None and int(sequence_number) <= int(last):
            return
        self.counted[shard_id] = sequence_number
        for image, step in (("OldImage", -1), ("NewImage", 1)):
            status = _status(change.get(image))
            if status is not None:
                self.statuses[status] += step


def load(path: Path, stream_arn: str) -> RelayState:
    """Return what is remembered of a change stream; a fresh state if the file is missing, damaged or another's."""
    with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
        state = read(path)
        if state.stream_arn == stream_arn:
            return state
    return RelayState(stream_arn=stream_arn)


def read(path: Path) -> RelayState:
    """Read the file.

    Raises:
        FileNotFoundError: there is none yet.
        msgspec.DecodeError: it isn't one of ours.
    """
    return msgspec.json.decode(path.read_bytes(), type=RelayState)


def save(path: Path, state: RelayState) -> None:
    """Replace the file. It survives a kill of the relay; like the servers' own data it isn't synced to disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(msgspec.json.encode(state))
    temporary.replace(path)


def _status(image: Mapping[str, Any] | None) -> str | None:
    stored = (image or {}).get(names.STATUS, {}).get("S", "")
    status = stored.partition("-")[0]
    return status if status in STATUSES else None

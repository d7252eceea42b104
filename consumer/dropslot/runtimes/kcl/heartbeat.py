"""Heartbeats: small JSON files by which processes of a consumer tell that they are alive."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SHARD_PREFIX: Final = "shard-"
WORKER_FILE: Final = "worker.json"
_INTERVAL_SECONDS: Final = 1.0


class Heartbeat:
    """A heartbeat file, replaced as a whole so that no reader sees half of it.

    Args:
        path: the file.
        now_epoch_seconds: the wall clock, since readers are other processes.
    """

    def __init__(self, path: Path, *, now_epoch_seconds: Callable[[], float]) -> None:
        self._path = path
        self._draft = path.with_suffix(".draft")
        self._now = now_epoch_seconds
        self._last = float("-inf")

    def beat(self, values: Callable[[], Mapping[str, Any]], *, force: bool = False) -> None:
        """Write the file, at most about once a second unless forced.

        A full or vanished disk stops the beats, not the work: the reader of an old beat decides.
        """
        now = self._now()
        # A clock set back must not silence the beats.
        if not force and 0 <= now - self._last < _INTERVAL_SECONDS:
            return
        self._last = now
        try:
            self._draft.write_text(json.dumps({"pid": os.getpid(), "beat_epoch_seconds": now, **values()}))
            self._draft.replace(self._path)
        except OSError:
            return

    def remove(self) -> None:
        """Delete the file: the process ends as it should."""
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardBeat:
    """What a shard process said last.

    Args:
        counters: totals since the process started.
        state: ``running``, or ``drained`` once all it was given is resolved and it awaits its end.
    """

    path: Path
    pid: int
    shard_id: str
    beat_epoch_seconds: float
    state: str
    counters: Mapping[str, int]


def read_shard_beats(state_dir: Path) -> list[ShardBeat]:
    """Read all shard processes' files; what can't be read (removed meanwhile, foreign) is left out."""
    beats: list[ShardBeat] = []
    for path in sorted(state_dir.glob(f"{SHARD_PREFIX}*.json")):
        try:
            values = json.loads(path.read_text())
            beats.append(
                ShardBeat(
                    path=path,
                    pid=int(values["pid"]),
                    shard_id=str(values["shard_id"]),
                    beat_epoch_seconds=float(values["beat_epoch_seconds"]),
                    state=str(values["state"]),
                    counters={str(name): int(total) for name, total in values.get("counters", {}).items()},
                )
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return beats

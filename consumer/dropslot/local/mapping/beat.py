"""What a running mapping tells of itself, by a file in the consumer's state folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

BEAT_FILE: Final = "mapping.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingBeat:
    """How the mapping was doing at one moment.

    Args:
        pid: its process.
        beat_epoch_seconds: the moment.
        shards: the shards it reads.
        functions: process id by execution environment.
        counters: what the functions say they have counted, together.
    """

    pid: int
    beat_epoch_seconds: float
    shards: tuple[str, ...]
    functions: Mapping[str, int]
    counters: Mapping[str, int]

    def write(self, state_dir: Path) -> None:
        """Replace the file as a whole."""
        draft = state_dir / f"{BEAT_FILE}.draft"
        draft.write_bytes(msgspec.json.encode(self))
        draft.replace(state_dir / BEAT_FILE)


def read_beat(state_dir: Path) -> MappingBeat | None:
    """Return what a mapping told last, None if none has."""
    try:
        return msgspec.json.decode((state_dir / BEAT_FILE).read_bytes(), type=MappingBeat)
    except (OSError, msgspec.DecodeError):
        return None

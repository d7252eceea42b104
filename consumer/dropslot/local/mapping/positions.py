"""How far the mapping has got in each shard, kept in a file so that a later start goes on from there."""

import json
import os
from pathlib import Path
from typing import Final

#: Position of a shard whose last record is resolved and that will get no more.
SHARD_END: Final = "SHARD_END"
#: Names of the files in a stack's state folder: the consumer's mapping, and the one that pushes.
POSITIONS_FILE: Final = "mapping-positions.json"
NOTIFY_POSITIONS_FILE: Final = "notify-positions.json"


class Positions:
    """Positions by shard.

    Args:
        file: where they are kept; positions of an earlier run are taken over.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._of = read_positions(file)
        self._changed = False

    def get(self, shard_id: str) -> str | None:
        """Return the sequence number up to which a shard is resolved, `SHARD_END`, or None before its first record."""
        return self._of.get(shard_id)

    def set(self, shard_id: str, position: str) -> None:
        """Note how far a shard is resolved; it is on disk after the next `save`."""
        if self._of.get(shard_id) != position:
            self._of[shard_id] = position
            self._changed = True

    @property
    def disabled(self) -> bool:
        """True while an operator has disabled the mapping: it keeps its positions, and delivers nothing."""
        return disabling_file(self._file).exists()

    def save(self) -> None:
        """Write the file if anything has changed. What isn't on disk at a crash is delivered again."""
        if self._changed:
            draft = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            draft.write_text(json.dumps(self._of))
            draft.replace(self._file)
            self._changed = False


def disabling_file(positions: Path) -> Path:
    """Return the file that disables the mapping with these positions while it is there."""
    return positions.with_name(f"{positions.name}.disabled")


def read_positions(file: Path) -> dict[str, str]:
    """Return the positions that a file holds, none if there is no such file."""
    try:
        return {str(shard_id): str(position) for shard_id, position in json.loads(file.read_bytes()).items()}
    except (OSError, ValueError):
        return {}

"""Positions on disk."""

from pathlib import Path

from dropslot.local.mapping.positions import Positions, read_positions


def test_positions_are_kept_once_saved(tmp_path: Path) -> None:
    """Given positions, then a later start has what was saved, and nothing that wasn't."""
    file = tmp_path / "positions.json"
    positions = Positions(file)
    positions.set("shard-0", "1")
    positions.save()
    positions.set("shard-0", "2")

    assert Positions(file).get("shard-0") == "1"
    assert Positions(file).get("shard-1") is None


def test_a_broken_file_starts_anew(tmp_path: Path) -> None:
    """Given a file that can't be read, then all shards start at their first record: a repeat does no harm."""
    file = tmp_path / "positions.json"
    file.write_text("{")

    assert read_positions(file) == {}

"""The folders of a stack: locked, cleared, removed."""

from pathlib import Path

import pytest

from dropslot.local.errors import LocalStackError
from dropslot.local.folders import Folders


def test_two_stacks_do_not_share_a_persist_folder(tmp_path: Path) -> None:
    """Given a stack on a folder, a second is refused until the first is closed."""
    first = Folders.open(tmp_path / "data", None, tmp_path)
    with pytest.raises(LocalStackError, match="another stack runs on"):
        Folders.open(tmp_path / "data", None, tmp_path)
    first.close()

    Folders.open(tmp_path / "data", None, tmp_path).close()


def test_two_stacks_in_memory_write_different_logs(tmp_path: Path) -> None:
    """Given two stacks in one folder that keep nothing, each has logs and state of its own."""
    first, second = (Folders.open(None, None, tmp_path) for _ in range(2))

    assert first.logs == tmp_path / ".dropslot" / "logs"
    assert second.logs != first.logs
    assert second.state != first.state
    for folders in (first, second):
        folders.close()
        assert not folders.state.exists()


def test_heartbeats_and_logs_of_the_last_run_are_cleared_and_the_rest_is_kept(tmp_path: Path) -> None:
    """Given what an earlier stack left, its heartbeats and logs go; the relay's state stays."""
    old = Folders.open(tmp_path, None, tmp_path)
    kept, beat, log = old.state / "relay.json", old.state / "consumer" / "shard-1.json", old.logs / "relay.log"
    for file in (kept, beat, log):
        file.write_text("{}")
    old.close()

    Folders.open(tmp_path, None, tmp_path).close()
    assert kept.exists()
    assert not beat.exists()
    assert not log.exists()

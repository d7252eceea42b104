"""Heartbeats and the folder they live in."""

import json
import os
from pathlib import Path

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.kcl.heartbeat import Heartbeat, read_shard_beats
from dropslot.runtimes.kcl.state_folder import state_folder, worker_id


def test_beats_are_limited_to_about_one_a_second(tmp_path: Path) -> None:
    """A beat costs a write: the busiest shard makes no more of them. A clock set back doesn't silence them."""
    clock = {"now": 0.0}
    heartbeat = Heartbeat(tmp_path / "shard-a.json", now_epoch_seconds=lambda: clock["now"])
    written = []
    for now, force in ((100.0, False), (100.5, False), (100.6, True), (101.7, False), (50.0, False)):
        clock["now"] = now
        heartbeat.beat(lambda: {"shard_id": "a", "state": "running"}, force=force)
        written.append(json.loads((tmp_path / "shard-a.json").read_text())["beat_epoch_seconds"])
    assert written == [100.0, 100.0, 100.6, 101.7, 50.0]
    (beat,) = read_shard_beats(tmp_path)
    assert (beat.shard_id, beat.pid, beat.state) == ("a", os.getpid(), "running")
    heartbeat.remove()
    assert read_shard_beats(tmp_path) == []


def test_foreign_files_are_left_out(tmp_path: Path) -> None:
    """Half a file, or another one's, is no beat."""
    for name, text in (("shard-a.json", "{"), ("shard-b.json", "{}"), ("shard-c.json", "[1]")):
        (tmp_path / name).write_text(text)
    assert read_shard_beats(tmp_path) == []


def test_folder_is_held_by_one_consumer(tmp_path: Path) -> None:
    """Two workers of one name would both read every shard."""
    with state_folder(str(tmp_path / "state")) as folder:
        name = worker_id(folder)
        with pytest.raises(ConfigurationError, match="in use"), state_folder(str(folder)):
            pass
    (tmp_path / "state" / "shard-old.json").write_text("{}")
    with state_folder(str(tmp_path / "state")) as folder:
        assert worker_id(folder) == name
        assert not list(folder.glob("shard-*"))


def test_temporary_folder_goes_with_its_consumer() -> None:
    """Without a setting nothing is left behind."""
    with state_folder("") as folder:
        assert worker_id(folder)
    assert not folder.exists()


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Said as a fault of the setting."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="DROPSLOT_STATE_DIR"), state_folder(str(tmp_path / "file" / "x")):
        pass

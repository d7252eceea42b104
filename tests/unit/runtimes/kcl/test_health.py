"""What the health check makes of the heartbeats in a state folder."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dropslot.runtimes.kcl.health import check_health, judge

NOW = 1_000_000.0


def _beat(folder: Path, name: str, *, seconds_ago: float, **values: Any) -> None:
    fit = {"proven": True, "trouble": "", "trouble_since_epoch_seconds": None}
    beat = {"pid": 1, "beat_epoch_seconds": NOW - seconds_ago, "state": "running", **fit, **values}
    (folder / name).write_text(json.dumps(beat))


def _shard(folder: Path, shard_id: str, *, seconds_ago: float, state: str = "running") -> None:
    _beat(folder, f"shard-{shard_id}.json", seconds_ago=seconds_ago, shard_id=shard_id, state=state)


@pytest.mark.parametrize(
    ("worker_seconds_ago", "shards_seconds_ago", "state", "reason"),
    [
        (0.5, (), "starting", "starting, shards: 0"),
        (0.5, (0.2, 60.0), "running", "running, shards: 2"),
        (0.5, (), "restarting", "restarting, shards: 0"),
        # Longer than the longest pause before a restart.
        (100.0, (), "restarting", "restarting, shards: 0"),
        # The clock was set back.
        (-3600.0, (-3600.0,), "running", "running, shards: 1"),
    ],
)
def test_healthy(
    tmp_path: Path, worker_seconds_ago: float, shards_seconds_ago: tuple[float, ...], state: str, reason: str
) -> None:
    """Given beats that are young enough, then the consumer is healthy, with shards or without."""
    _beat(tmp_path, "worker.json", seconds_ago=worker_seconds_ago, state=state)
    for number, seconds_ago in enumerate(shards_seconds_ago):
        _shard(tmp_path, f"{number}", seconds_ago=seconds_ago)

    health = judge(tmp_path, now_epoch_seconds=NOW, shard_silent_seconds=90.0)

    assert (health.healthy, health.reason) == (True, reason)


def test_a_silent_supervisor_is_unhealthy(tmp_path: Path) -> None:
    """Given an old beat of the supervisor and young ones of its shards, then nobody watches them: unhealthy."""
    _beat(tmp_path, "worker.json", seconds_ago=130.0)
    _shard(tmp_path, "a", seconds_ago=0.0)

    health = judge(tmp_path, now_epoch_seconds=NOW, shard_silent_seconds=90.0)

    assert (health.healthy, health.reason) == (False, "the supervisor was running, and is silent for 130 s")


@pytest.mark.parametrize("state", ["running", "stopping", "drained"])
def test_stuck_shards_are_named(tmp_path: Path, state: str) -> None:
    """Given shards that are silent for longer than handlers may take, then all of them are named, and no other."""
    _beat(tmp_path, "worker.json", seconds_ago=0.0)
    _shard(tmp_path, "a", seconds_ago=91.0, state=state)
    _shard(tmp_path, "b", seconds_ago=89.0)
    _shard(tmp_path, "c", seconds_ago=700.0, state=state)

    health = judge(tmp_path, now_epoch_seconds=NOW, shard_silent_seconds=90.0)

    assert (health.healthy, health.reason) == (False, "shards are stuck: a for 91 s, c for 700 s")


def test_one_that_never_worked_is_unhealthy(tmp_path: Path) -> None:
    """Given a worker that has reached nothing since it started, then a deployment must not take it for a success."""
    trouble = {"proven": False, "trouble": "stream s: AccessDenied", "trouble_since_epoch_seconds": NOW - 1}
    _beat(tmp_path, "worker.json", seconds_ago=0.0, **trouble)

    health = judge(tmp_path, now_epoch_seconds=NOW, shard_silent_seconds=90.0)

    assert (health.healthy, health.reason) == (False, "not at work yet: stream s: AccessDenied")


@pytest.mark.parametrize(
    ("trouble_seconds", "healthy", "reason"),
    [
        (299.0, True, "running, shards: 0, but stream s: AccessDenied"),
        (301.0, False, "in trouble for 301 s: stream s: AccessDenied"),
    ],
)
def test_trouble_may_last_for_a_while(tmp_path: Path, *, trouble_seconds: float, healthy: bool, reason: str) -> None:
    """Given a worker that has worked before, then an outage of minutes replaces no container, and a longer one does."""
    trouble = {"trouble": "stream s: AccessDenied", "trouble_since_epoch_seconds": NOW - trouble_seconds}
    _beat(tmp_path, "worker.json", seconds_ago=0.0, **trouble)

    health = judge(tmp_path, now_epoch_seconds=NOW, shard_silent_seconds=90.0)

    assert (health.healthy, health.reason) == (healthy, reason)


def test_all_faults_are_told(tmp_path: Path) -> None:
    """Given a stuck shard of a worker in trouble, then both are named."""
    trouble = {"trouble": "no stream", "trouble_since_epoch_seconds": NOW - 400}
    _beat(tmp_path, "worker.json", seconds_ago=0.0, **trouble)
    _shard(tmp_path, "a", seconds_ago=91.0)

    health = judge(tmp_path, now_epoch_seconds=NOW, shard_silent_seconds=90.0)

    assert health.reason == "in trouble for 400 s: no stream; shards are stuck: a for 91 s"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"state": "running"}', '{"state": 1, "beat_epoch_seconds": "x"}']
)
def test_what_is_no_heartbeat_is_unhealthy(tmp_path: Path, text: str) -> None:
    """Given a file that no supervisor wrote, then the check says so instead of failing."""
    (tmp_path / "worker.json").write_text(text)

    health = judge(tmp_path, now_epoch_seconds=NOW, shard_silent_seconds=90.0)

    assert not health.healthy
    assert health.reason.endswith("worker.json is no heartbeat")


@pytest.mark.parametrize(("seconds_ago", "healthy"), [(79.0, True), (81.0, False)])
def test_the_limit_follows_the_settings(tmp_path: Path, *, seconds_ago: float, healthy: bool) -> None:
    """Given handlers that may take 10 s, twice, then a shard may be silent for a minute more than that."""
    _beat(tmp_path, "worker.json", seconds_ago=0.0)
    _shard(tmp_path, "a", seconds_ago=seconds_ago)
    environment = {
        "DROPSLOT_STATE_DIR": str(tmp_path),
        "DROPSLOT_HANDLER_TIMEOUT_SECONDS": "10",
        "DROPSLOT_HANDLER_TRIES": "2",
    }

    assert check_health(environment, now_epoch_seconds=lambda: NOW).healthy is healthy


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "DROPSLOT_STATE_DIR isn't set"),
        ({"DROPSLOT_STATE_DIR": "/nowhere"}, "no consumer runs: there is no worker.json in /nowhere"),
        ({"DROPSLOT_TABEL": "requests"}, "DROPSLOT_TABEL is not a setting"),
    ],
)
def test_nothing_to_look_at_is_unhealthy(environment: dict[str, str], reason: str) -> None:
    """Given no consumer, or settings that none could start with, then the check says what is wrong."""
    health = check_health(environment)

    assert not health.healthy
    assert health.reason.startswith(reason)


def test_the_command_says_why_in_one_line(tmp_path: Path) -> None:
    """Given a folder, when `dropslot healthy` looks at it, then the exit code is the answer and one line the reason."""

    def command() -> tuple[int, str]:
        ended = subprocess.run(
            [sys.executable, "-m", "dropslot", "healthy"],
            env={"DROPSLOT_STATE_DIR": str(tmp_path), "DROPSLOT_HANDLER": "no.such.module:handle"},
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.returncode, ended.stdout + ended.stderr

    assert command() == (1, f"unhealthy: no consumer runs: there is no worker.json in {tmp_path}\n")
    # Beats from the future are young for as long as a test takes.
    _beat(tmp_path, "worker.json", seconds_ago=-9e9)
    assert command() == (0, "healthy: running, shards: 0\n")


def test_the_command_starts_without_the_sdk() -> None:
    """Given that it runs every few seconds on a fraction of a core, when it is loaded, then boto3 is not."""
    program = "import sys, dropslot.cli, dropslot.runtimes.kcl.health; print('boto3' in sys.modules)"

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ended.stdout == "False\n"

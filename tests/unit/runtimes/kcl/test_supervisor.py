"""The supervisor over programs that start faster than a JVM."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.kcl.consume import supervise
from dropslot.runtimes.kcl.daemon import Daemon
from dropslot.runtimes.kcl.heartbeat import SHARD_PREFIX
from dropslot.runtimes.kcl.orders import STOP_SIGNAL
from dropslot.runtimes.kcl.shard_watch import ShardWatch
from dropslot.settings import Settings
from tests.unit.runtimes.kcl.conversation import lives

LIMIT_SECONDS = 20.0

#: Runs a supervisor over the command it is given, and says each time it prepares a start.
SUPERVISOR = """
import os, sys
from dropslot.runtimes.kcl.supervisor import Supervisor
from dropslot.settings import Settings
settings = Settings.from_env({"DROPSLOT_STATE_DIR": sys.argv[1], "DROPSLOT_SHUTDOWN_GRACE_SECONDS": "0"})
supervisor = Supervisor(
    settings=settings,
    command=sys.argv[2:],
    environment=os.environ,
    prepare=lambda: print("start", flush=True),
    trouble=lambda: open(sys.argv[1] + "/trouble").read() if os.path.exists(sys.argv[1] + "/trouble") else "",
    paused=lambda: os.path.exists(sys.argv[1] + "/paused"),
)
sys.exit(supervisor.run())
"""


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask again and again until something holds."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def write_beat(folder: Path, pid: int, *, age_seconds: float = 0.0, state: str = "running") -> None:
    """Write a shard process's heartbeat."""
    beat = {"pid": pid, "shard_id": "a", "beat_epoch_seconds": time.time() - age_seconds, "state": state}
    (folder / f"{SHARD_PREFIX}a.json").write_text(json.dumps(beat))


def test_hung_shard_process_is_killed(tmp_path: Path) -> None:
    """A beat that stays the same for too long ends its process; afterwards it counts as lost."""
    clock = {"now": 1000.0}
    daemon = Daemon(["/bin/sleep", "60"], os.environ)
    try:
        watch = ShardWatch(tmp_path, hung_after_seconds=10, monotonic_seconds=lambda: clock["now"])
        write_beat(tmp_path, daemon.pid, age_seconds=5000)  # the wall clock may have jumped
        census = watch.look(daemon)
        assert (census.alive, census.lost, census.busy) == (1, 0, 1)
        clock["now"] += 10
        watch.look(daemon)
        write_beat(tmp_path, daemon.pid, age_seconds=4990)
        watch.look(daemon)
        clock["now"] += 10
        assert watch.look(daemon).alive == 1
        clock["now"] += 1
        watch.look(daemon)
        wait_until(lambda: daemon.exit_code() == -signal.SIGKILL)
        assert watch.look(daemon).lost == 1
    finally:
        daemon.clear(0)


def test_process_of_another_is_never_killed(tmp_path: Path) -> None:
    """A process id in an old file may belong to somebody else by now."""
    daemon = Daemon(["/bin/sleep", "60"], os.environ)
    try:
        write_beat(tmp_path, os.getpid(), age_seconds=1000)
        watch = ShardWatch(tmp_path, hung_after_seconds=10, monotonic_seconds=time.monotonic)
        watch.order(daemon, STOP_SIGNAL)
        census = watch.look(daemon)
        assert (census.alive, census.lost) == (0, 0)
    finally:
        daemon.clear(0)


def test_clearing_leaves_no_process_of_the_group(tmp_path: Path) -> None:
    """A child that ignores its daemon's end is killed."""
    pid_file = tmp_path / "pid"
    daemon = Daemon(["/bin/sh", "-c", f"trap '' TERM; sleep 60 & echo $! > {pid_file}; wait"], os.environ)
    wait_until(lambda: pid_file.exists() and bool(pid_file.read_text().strip()))
    child = int(pid_file.read_text())
    daemon.kill()
    daemon.clear(0.1)
    wait_until(lambda: not daemon.owns(child))
    assert daemon.exit_code() == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_daemon_dies_with_a_killed_supervisor(tmp_path: Path) -> None:
    """SIGKILL leaves the supervisor no time to stop anything itself."""
    with _supervisor(tmp_path, "/bin/sleep", "60") as supervisor:
        wait_until(lambda: _daemon_pid(tmp_path) is not None)
        daemon = _daemon_pid(tmp_path)
        assert daemon is not None
        supervisor.kill()
        supervisor.wait()
        wait_until(lambda: not lives(daemon))


def test_stops_cleanly(tmp_path: Path) -> None:
    """SIGTERM stops the daemon, the exit code is 0, and the heartbeat is gone."""
    with _supervisor(tmp_path, "/bin/sleep", "60") as supervisor:
        wait_until(lambda: _daemon_pid(tmp_path) is not None)
        supervisor.terminate()
        assert supervisor.wait(LIMIT_SECONDS) == 0
        assert not (tmp_path / "worker.json").exists()


def test_daemon_that_ends_is_started_again(tmp_path: Path) -> None:
    """Whatever its exit code: KCL's is 0 even after it gave up initializing."""
    with _supervisor(tmp_path, "/bin/true") as supervisor:
        assert supervisor.stdout is not None
        assert [supervisor.stdout.readline() for _ in range(3)] == [b"start\n"] * 3
        supervisor.terminate()
        assert supervisor.wait(LIMIT_SECONDS) in {0, 1}


def test_lost_shard_process_ends_the_daemon_soon(tmp_path: Path) -> None:
    """Without waiting for the daemon's own, slow, end; another one is started."""
    with _supervisor(tmp_path, "/bin/sleep", "60") as supervisor:
        wait_until(lambda: _daemon_pid(tmp_path) is not None)
        first = _daemon_pid(tmp_path)
        gone = subprocess.Popen(["/bin/true"])
        gone.wait()
        write_beat(tmp_path, gone.pid)
        wait_until(lambda: _daemon_pid(tmp_path) not in {first, None})
        supervisor.terminate()
        assert supervisor.wait(LIMIT_SECONDS) == 0


def test_a_worker_is_fit_once_a_shard_process_lives_and_nothing_is_out_of_reach(tmp_path: Path) -> None:
    """And not before: its heartbeat tells the health check what is in the way."""
    (tmp_path / "trouble").write_text("stream s: AccessDenied")
    with _supervisor(tmp_path, "/bin/sleep", "60") as supervisor:
        wait_until(lambda: _fitness(tmp_path) == (False, "stream s: AccessDenied"))
        (tmp_path / "trouble").unlink()
        wait_until(lambda: _fitness(tmp_path) == (False, "no shard yet, and the daemon is not up for 60 s"))
        write_beat(tmp_path, _child_of_the_daemon(tmp_path))
        wait_until(lambda: _fitness(tmp_path) == (True, ""))
        (tmp_path / "trouble").write_text("table t: ResourceNotFoundException")
        wait_until(lambda: _fitness(tmp_path) == (True, "table t: ResourceNotFoundException"))
        supervisor.terminate()
        assert supervisor.wait(LIMIT_SECONDS) in {0, 1}


def test_a_pause_stops_the_daemon_in_order_and_its_end_starts_one(tmp_path: Path) -> None:
    """Given a pause, the daemon is gone, the worker beats, is fit and can be stopped; after it, a daemon runs again."""
    with _supervisor(tmp_path, "/bin/sleep", "60") as supervisor:
        wait_until(lambda: _daemon_pid(tmp_path) is not None)
        first = _daemon_pid(tmp_path)
        assert first is not None
        (tmp_path / "paused").touch()
        wait_until(lambda: _state(tmp_path) == "paused")
        wait_until(lambda: not lives(first))
        assert _daemon_pid(tmp_path) is None
        assert _fitness(tmp_path) == (True, "")

        (tmp_path / "paused").unlink()
        wait_until(lambda: _daemon_pid(tmp_path) not in {None, first})
        (tmp_path / "paused").touch()
        wait_until(lambda: _state(tmp_path) == "paused")
        supervisor.terminate()
        assert supervisor.wait(LIMIT_SECONDS) == 0


def test_a_worker_that_starts_into_a_pause_starts_no_daemon(tmp_path: Path) -> None:
    """Given a pause, a new worker is fit without having run anything, so that a deployment ends."""
    (tmp_path / "paused").touch()
    with _supervisor(tmp_path, "/bin/sleep", "60") as supervisor:
        wait_until(lambda: _fitness(tmp_path) == (True, ""))
        assert _state(tmp_path) == "paused"
        assert _daemon_pid(tmp_path) is None
        supervisor.terminate()
        assert supervisor.wait(LIMIT_SECONDS) == 0
        assert supervisor.stdout is not None
        assert supervisor.stdout.read() == b"", "nothing was prepared"


def test_a_daemon_that_keeps_ending_is_no_fit_worker(tmp_path: Path) -> None:
    """Given nothing out of reach, then its ends are the trouble."""
    with _supervisor(tmp_path, "/bin/false") as supervisor:
        wait_until(lambda: _fitness(tmp_path) == (False, "the daemon ended by itself, with exit code 1"))
        supervisor.terminate()
        assert supervisor.wait(LIMIT_SECONDS) in {0, 1}


def test_everything_missing_is_told_at_once(tmp_path: Path) -> None:
    """No Java and no jars: both faults, before anything is started."""
    settings = Settings.from_env({"DROPSLOT_KCL_JARS": str(tmp_path)})
    with pytest.raises(ConfigurationError) as caught:
        supervise(settings, {"PATH": str(tmp_path)}, build_sweep=lambda *_: pytest.fail("must not sweep"))
    assert len(caught.value.faults) == 2


@contextmanager
def _supervisor(folder: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(folder), *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _child_of_the_daemon(folder: Path) -> int:
    """Return a process of the daemon's group: the daemon itself does."""
    pid = _daemon_pid(folder)
    assert pid is not None
    return pid


def _fitness(folder: Path) -> tuple[bool, str] | None:
    try:
        values = json.loads((folder / "worker.json").read_text())
    except (OSError, ValueError):
        return None
    return values["proven"], values["trouble"]


def _state(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / "worker.json").read_text())["state"])
    except (OSError, ValueError):
        return None


def _daemon_pid(folder: Path) -> int | None:
    try:
        pid = json.loads((folder / "worker.json").read_text())["daemon_pid"]
    except (OSError, ValueError):
        return None
    return int(pid) if pid is not None else None

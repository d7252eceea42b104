"""Handlers under chaos: each run is noted, then the body's `do` decides what the request does to its process."""

import ctypes
import json
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from dropslot import Reject, Request

#: Variable with the path of the file that gets a line for each run.
RUN_LOG: Final = "CHAOS_RUN_LOG"
#: Variable with the path of a file: while it is there, work takes its time, so that requests pile up.
GATE: Final = "CHAOS_GATE"
#: Well below the time limit of handlers.
_GATE_SECONDS: Final = 3.0
_GATE_POLL_SECONDS: Final = 0.02
#: Longer than any chaos run: a handler that sleeps for this has hung.
FOR_EVER_SECONDS: Final = 3600.0
#: What the memory eater may take on top of what its process has already.
_EATER_BYTES: Final = 192 * 1024 * 1024
_BITE_BYTES: Final = 8 * 1024 * 1024
#: More than a function under chaos may have in all.
_GULP_BYTES: Final = 320 * 1024 * 1024
#: Longer than a function's time-out; such a process doesn't even notice that nobody waits for it any more.
_FROZEN_SECONDS: Final = 60


def handle(request: Request) -> Any:
    """Do what the body says."""
    _note(request)
    body = request.json()
    return _DEEDS[body["do"]](body)


def runs_by_id(run_log: Path) -> dict[str, list[int]]:
    """Return the attempts under which each item's handler was run."""
    runs: dict[str, list[int]] = {}
    for line in run_log.read_text().splitlines():
        run = json.loads(line)
        runs.setdefault(run["id"], []).append(run["attempt"])
    return runs


def _work(body: Mapping[str, Any]) -> dict[str, int]:
    gate = Path(os.environ[GATE])
    deadline = time.monotonic() + _GATE_SECONDS
    while gate.exists() and time.monotonic() < deadline:
        time.sleep(_GATE_POLL_SECONDS)
    time.sleep(body["ms"] / 1000)
    return {"n": body["n"]}


def _reject(body: Mapping[str, Any]) -> None:
    raise Reject(f"refused {body['n']}")


def _exit(_: Mapping[str, Any]) -> None:
    os._exit(1)


def _crash(_: Mapping[str, Any]) -> None:
    ctypes.string_at(0)


def _eat(_: Mapping[str, Any]) -> None:
    """Take memory up to a limit that the kernel holds, then be killed as by its out-of-memory killer.

    A limit of the process only makes allocations fail, so the kill itself is the handler's own.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * os.sysconf("SC_PAGE_SIZE") + _EATER_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    eaten = []
    try:
        while True:
            eaten.append(bytearray(_BITE_BYTES))
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)


def _gorge(_: Mapping[str, Any]) -> None:
    """Take more memory than a function may, and keep it."""
    eaten = bytearray(b"x") * _GULP_BYTES
    time.sleep(FOR_EVER_SECONDS)
    del eaten


def _freeze(_: Mapping[str, Any]) -> None:
    """Do what no limit of a handler ends, nor anything else in its process: hold the interpreter's lock."""
    ctypes.PyDLL(None).sleep(_FROZEN_SECONDS)


def _hang(_: Mapping[str, Any]) -> None:
    time.sleep(FOR_EVER_SECONDS)


def _large(_: Mapping[str, Any]) -> list[str]:
    return ["x" * 1_000_000]


_DEEDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "work": _work,
    "reject": _reject,
    "exit": _exit,
    "crash": _crash,
    "eat": _eat,
    "freeze": _freeze,
    "gorge": _gorge,
    "hang": _hang,
    "large": _large,
}


def _note(request: Request) -> None:
    # One write to a file opened for appending: lines of several processes never mix.
    line = json.dumps({"id": request.id, "attempt": request.attempt})
    file = os.open(os.environ[RUN_LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)

"""Handlers of the stack under test: they note each run and then do what the request's body asks for."""

import asyncio
import hashlib
import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dropslot import AsyncSteps, Reject, Request, RetryLater, Steps, step_key

#: Variable with the path of the file that gets a line for each run.
RUN_LOG: Final = "E2E_RUN_LOG"
#: The most bytes of JSON a result may have.
RESULT_MAX_BYTES: Final = 16_384
#: Longer than any test: a handler that sleeps for this has hung.
FOR_EVER_SECONDS: Final = 3600.0


def digest(request: Request) -> dict[str, Any]:
    """Tell what arrived, as a digest."""
    _note(request)
    data = request.body if isinstance(request.body, bytes) else request.body.encode()
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "kind": type(request.body).__name__}


def large(request: Request) -> list[str]:
    """Wait once, with the largest error, then return the largest result, in what grows most when it is escaped."""
    _note(request)
    if request.attempt == 0:
        raise RetryLater("\x01" * 4096, after_seconds=0)
    return largest_result()


def largest_result() -> list[str]:
    """Return a value whose JSON has exactly `RESULT_MAX_BYTES` bytes."""
    return ["\\" * ((RESULT_MAX_BYTES - len('[""]')) // 2)]


def task(request: Request) -> Any:
    """Do what the body's `do` names."""
    _note(request)
    body = request.json()
    return _TASKS[body["do"]](request, body)


async def async_task(request: Request) -> Any:
    """Do what the body's `do` names, as a coroutine."""
    _note(request)
    body = request.json()
    match body["do"]:
        case "hang":
            await asyncio.sleep(FOR_EVER_SECONDS)
        case "ignore_cancel":
            # Returns, but only because it was cancelled at its limit.
            try:
                await asyncio.sleep(FOR_EVER_SECONDS)
            except asyncio.CancelledError:
                return {"cancelled": True}
        case "cancelled":
            raise asyncio.CancelledError
        case "exit":
            sys.exit(3)
        case "raise":
            raise ValueError("no such dish")
    return {"value": body.get("value")}


def recipe(run_log: Path) -> Path:
    """Return the file whose presence is the release that mends `meal`."""
    return run_log.with_name("recipe")


def meal(request: Request) -> dict[str, int]:
    """Price a meal; before its recipe is there: fail on a voucher, and price all else at nothing."""
    _note(request)
    order = request.json()
    if not recipe(Path(os.environ[RUN_LOG])).exists():
        if order["voucher"]:
            raise KeyError("voucher")
        return {"total": 0}
    return {"total": order["price"] - order["voucher"]}


def saga(request: Request, steps: Steps) -> dict[str, list[int]]:
    """Run the body's steps, one to five, which do what it says of each by name."""
    _note(request)
    says = request.json()
    results = [steps.run(name, _step, request, name, says, undo=_undo) for name in saga_steps()]
    if says.get("end") == "reject":
        raise Reject("it can't be there in time")
    return {"results": results}


async def async_saga(request: Request, steps: AsyncSteps) -> dict[str, list[int]]:
    """Do the same as `saga`, with coroutines."""
    _note(request)
    says = request.json()

    async def step(name: str) -> int:
        return _step(request, name, says)

    async def undo(_: int, name: str) -> None:
        _undo(0, request, name, says)

    results = [await steps.run(name, step, name, undo=undo) for name in saga_steps()]
    if says.get("end") == "reject":
        raise Reject("it can't be there in time")
    return {"results": results}


def saga_steps() -> list[str]:
    """Return the names of a saga's steps."""
    return [f"step-{number}" for number in range(1, 6)]


def step_log(run_log: Path) -> Path:
    """Return the file that gets a line for each call of a step of a saga, and of its undo."""
    return run_log.with_name("steps")


def gate(run_log: Path) -> Path:
    """Return the file whose presence lets go what a saga's steps are held by."""
    return run_log.with_name("gate")


def _step(request: Request, name: str, says: dict[str, Any]) -> int:
    return _act("do", request, name, says.get("do", {}).get(name))


def _undo(_: int, request: Request, name: str, says: dict[str, Any]) -> None:
    _act("undo", request, name, says.get("undo", {}).get(name))


def _act(what: str, request: Request, name: str, says: str | None) -> int:
    """Note the call of a step, then do what the body says; return how often it was called."""
    run_log = Path(os.environ[RUN_LOG])
    about = {"what": what, "name": name}
    _append(step_log(run_log), {"id": request.id, **about, "key": step_key()})
    called = sum(1 for line in calls_of_steps(run_log, request.id) if line.items() >= about.items())
    match says:
        case "reject":
            raise Reject(f"{name} is refused")
        case "reject first" if called == 1:
            raise Reject(f"{name} is refused")
        case "closed":
            raise RetryLater(f"{name} is closed")
        case "closed for a while" if called == 1:
            raise RetryLater(f"{name} is closed", after_seconds=5)
        case "later" if called == 1:
            raise RetryLater(f"{name} is closed", after_seconds=0)
        case "die" if called == 1:
            os._exit(1)
        case "hold":
            while not gate(run_log).exists():
                time.sleep(0.02)
    return called


def calls_of_steps(run_log: Path, key: str) -> list[dict[str, Any]]:
    """Return the calls of a request's steps and undos so far.

    Args:
        run_log: the log of runs.
        key: of the request's item.
    """
    if not step_log(run_log).exists():
        return []
    lines = [json.loads(line) for line in step_log(run_log).read_text().splitlines()]
    return [line for line in lines if line["id"] == key]


class ShyError(Exception):
    """An error whose message can't be had."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError("no")


def _raise(error: BaseException) -> Any:
    raise error


def _flaky(request: Request, body: dict[str, Any]) -> dict[str, int]:
    runs = Path(os.environ[RUN_LOG]).read_text().count(json.dumps(request.id))
    if runs <= body["failures"]:
        raise ConnectionError("the kitchen doesn't answer")
    return {"runs": runs}


def _call(_: Request, body: dict[str, Any]) -> dict[str, str]:
    """Call the downstream server that the body names."""
    with socket.create_connection(("127.0.0.1", body["port"]), timeout=1) as connection:
        return {"answer": connection.makefile().readline()}


def _die_without(_: Request, body: dict[str, Any]) -> Any:
    """End the process, unless a file is there."""
    if not Path(body["file"]).exists():
        os._exit(1)


def _late(request: Request, body: dict[str, Any]) -> dict[str, int]:
    if request.attempt == 0:
        time.sleep(body["seconds"])
    return {"attempt": request.attempt}


def _reject_first(request: Request, body: dict[str, Any]) -> dict[str, int]:
    if request.attempt == 0:
        raise Reject(body["why"])
    return {"attempt": request.attempt}


def _retry_later(request: Request, body: dict[str, Any]) -> dict[str, int]:
    if request.attempt < body["times"]:
        raise RetryLater("the kitchen is closed", after_seconds=body.get("seconds"))
    return {"attempt": request.attempt}


def _noise(request: Request, _: dict[str, Any]) -> dict[str, Any]:
    """Write everywhere a handler may write to, in the shape of the daemon's protocol, and read what it must not."""
    noise = json.dumps({"action": "checkpoint", "sequenceNumber": None, "subSequenceNumber": None})
    print(noise)  # noqa: T201 - what is tested
    sys.stdout.write(f"{noise}\n")
    sys.stdout.flush()
    os.write(1, f"\n{noise}\n".encode())
    subprocess.run(["echo", noise], check=True)
    logging.getLogger("app").warning("a line of the handler's own")
    return {"read": sys.stdin.read()}


def _tree(depth: int) -> list[Any]:
    tree: list[Any] = []
    for _ in range(depth):
        tree = [tree]
    return tree


_TASKS: Final[dict[str, Callable[[Request, dict[str, Any]], Any]]] = {
    "return": lambda _, body: body.get("value"),
    "raise": lambda _, body: _raise(ValueError(body.get("message", "no such dish"))),
    "reject": lambda _, body: _raise(Reject(body.get("why", ""))),
    "shy": lambda *_: _raise(ShyError()),
    "exit": lambda *_: sys.exit(3),
    "interrupt": lambda *_: _raise(KeyboardInterrupt()),
    "stop_iteration": lambda *_: _raise(StopIteration()),
    "surrogate": lambda *_: _raise(Reject("half a pair: \ud83d")),
    "surrogate_error": lambda *_: _raise(ValueError("half a pair: \ud83d")),
    "surrogate_result": lambda *_: ["\ud83d"],
    "long_error": lambda *_: _raise(Reject("\N{SLICE OF PIZZA}" * 2000)),
    "nan": lambda *_: {"value": float("nan")},
    "object": lambda *_: object(),
    "bytes": lambda *_: b"bytes",
    "deep": lambda *_: _tree(100_000),
    "ring": lambda *_: _ring(),
    "huge_number": lambda *_: 10**5000,
    "too_large": lambda *_: ["x" * RESULT_MAX_BYTES],
    "largest": lambda *_: largest_result(),
    "hang": lambda *_: time.sleep(FOR_EVER_SECONDS),
    "call": _call,
    "die_without": _die_without,
    "late": _late,
    "flaky": _flaky,
    "reject_first": _reject_first,
    "retry_later": _retry_later,
    "noise": _noise,
}


def _ring() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


def _note(request: Request) -> None:
    line = {"id": request.id, "attempt": request.attempt, "at_ms": time.time_ns() // 1_000_000}
    _append(Path(os.environ[RUN_LOG]), line)


def _append(log: Path, line: dict[str, Any]) -> None:
    # One write to a file opened for appending: lines of several processes never mix.
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{json.dumps(line)}\n".encode())
    finally:
        os.close(file)

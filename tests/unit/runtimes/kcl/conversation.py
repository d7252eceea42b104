"""Speaks the daemon's side of the protocol to a shard process over real pipes."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

PROGRAMS = Path(__file__).parent / "programs"
SHARD = "shardId-000000000000"

Action = Mapping[str, Any]


def batch(*words: str, first: int = 1) -> dict[str, Any]:
    """Return a processRecords message; the records are numbered from `first`."""
    return {
        "action": "processRecords",
        "millisBehindLatest": 0,
        "records": [
            {
                "action": "record",
                "data": base64.b64encode(word.encode()).decode(),
                "partitionKey": "k",
                "sequenceNumber": str(first + at),
                "subSequenceNumber": 0,
                "approximateArrivalTimestamp": 1_700_000_000_000,
            }
            for at, word in enumerate(words)
        ],
    }


INITIALIZE = {"action": "initialize", "shardId": SHARD, "sequenceNumber": "TRIM_HORIZON", "subSequenceNumber": 0}
IDLE = batch()
SHUTDOWN_REQUESTED = {"action": "shutdownRequested"}
LEASE_LOST = {"action": "leaseLost"}
SHARD_ENDED = {"action": "shardEnded"}


def status(action: str) -> Action:
    """Return the status that answers a message."""
    return {"action": "status", "responseFor": action}


def checkpoint(sequence_number: str | None) -> Action:
    """Return the action that sets a checkpoint."""
    return {"action": "checkpoint", "sequenceNumber": sequence_number, "subSequenceNumber": None}


class Conversation:
    """A shard process, and what it said.

    Args:
        program: name of a file in `programs`.
        folder: for its state, its notes and its log.
        environment: what it gets besides ours.
    """

    def __init__(self, program: str, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.notes_file = folder / "notes"
        self.errors: list[str | None] = []
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAMS / program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={
                **os.environ,
                "DROPSLOT_STATE_DIR": str(folder),
                "TINY_OUT": str(self.notes_file),
                **environment,
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._log):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue

    def send(self, message: Action | bytes) -> None:
        """Send a message without waiting for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, message: Action | bytes) -> list[Action]:
        """Send a message and return all actions up to its status, answering checkpoints; ends early if it dies."""
        self.send(message)
        return self.answers()

    def answers(self) -> list[Action]:
        """Return all actions up to the next status, as above."""
        assert self.process.stdout is not None
        actions: list[Action] = []
        for line in self.process.stdout:
            if not line.strip():
                continue
            actions.append(json.loads(line))
            if actions[-1]["action"] == "status":
                break
            error = self.errors.pop(0) if self.errors else None
            self.send({**actions[-1], "error": error})
        return actions

    def hang_up(self) -> int:
        """Close the process's input and return its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(timeout=20)

    def exit_code(self) -> int:
        """Wait for the process's end by itself."""
        return self.process.wait(timeout=20)

    def order(self, number: signal.Signals) -> None:
        """Send a signal, as the supervisor does."""
        self.process.send_signal(number)

    def wait_for_note(self, data: str) -> None:
        """Wait until the engine has taken a record with this data."""
        deadline = time.monotonic() + 20
        while not any(note.get("data") == data for note in self.notes()):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def notes(self) -> Sequence[dict[str, Any]]:
        """Return what the engine noted."""
        return [json.loads(line) for line in self.notes_file.read_text().splitlines()]

    def log(self) -> Sequence[dict[str, Any]]:
        """Return the log, which must be JSON lines."""
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines() if line.startswith("{")]

    def beat(self) -> dict[str, Any]:
        """Return the heartbeat."""
        values: dict[str, Any] = json.loads((self.folder / f"shard-{SHARD}.json").read_text())
        return values


def lives(pid: int) -> bool:
    """Say whether a process runs; one that nobody has reaped yet doesn't."""
    state = subprocess.run(["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False).stdout.strip()
    return bool(state) and not state.startswith(b"Z")

"""A consumer on real servers, with a tiny engine instead of ours."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.runtimes.kcl.heartbeat import WORKER_FILE, read_shard_beats
from dropslot.runtimes.kcl.jars import find_jars, find_java

PROGRAM = Path(__file__).with_name("tiny_consumer.py")
LIMIT_SECONDS = 60.0


class Consumer:
    """`dropslot consume` in a process of its own, reading one stream of two shards."""

    def __init__(self, folder: Path, stream: str, dynamodb: str, kinesis: str) -> None:
        self.folder = folder
        self.application = stream + "-app"
        self.stream = stream
        self.dynamodb = dynamodb_client(dynamodb)
        self.kinesis = kinesis_client(kinesis)
        self._notes = folder / "notes"
        self._notes.touch()
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            stderr=self._log,
            stdout=self._log,
            env={
                **os.environ,
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
                "AWS_ENDPOINT_URL_KINESIS": kinesis,
                "DROPSLOT_APPLICATION": self.application,
                "DROPSLOT_STREAM": stream,
                "DROPSLOT_STATE_DIR": str(folder / "state"),
                "TINY_OUT": str(self._notes),
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        daemon = self.daemon_pid()
        self.process.kill()
        self.process.wait()
        self._log.close()
        self.dynamodb.close()
        self.kinesis.close()
        # It leaves by itself when its parent dies, but may take ten seconds for it.
        if daemon is not None:
            try:
                os.killpg(daemon, 9)
            except ProcessLookupError:
                return

    def put(self, *words: str) -> dict[str, str]:
        """Put one record per word, spread over the shards; return the last sequence number per shard."""
        last = {}
        for at, word in enumerate(words):
            answer = self.kinesis.put_record(StreamName=self.stream, Data=word.encode(), PartitionKey=str(at))
            last[answer["ShardId"]] = answer["SequenceNumber"]
        return last

    def seen(self) -> list[str]:
        """Return the data of all records that reached an engine."""
        notes = [json.loads(line) for line in self._notes.read_text().splitlines()]
        return [note["data"] for note in notes if "data" in note]

    def checkpoints(self) -> dict[str, str]:
        """Return the checkpoint of each lease."""
        items = self.dynamodb.scan(TableName=self.application, ConsistentRead=True)["Items"]
        return {item["leaseKey"]["S"]: item["checkpoint"]["S"] for item in items if "checkpoint" in item}

    def daemon_pid(self) -> int | None:
        """Return the JVM's process id."""
        try:
            pid = json.loads((self.folder / "state" / WORKER_FILE).read_text())["daemon_pid"]
        except (OSError, ValueError):
            return None
        return int(pid) if pid is not None else None

    def shard_pids(self) -> dict[str, int]:
        """Return the process id per shard."""
        return {beat.shard_id: beat.pid for beat in read_shard_beats(self.folder / "state")}

    def log(self) -> list[dict[str, Any]]:
        """Return the log; every line of it must be JSON."""
        # What follows the last newline is being written.
        return [json.loads(line) for line in (self.folder / "log").read_text().split("\n")[:-1]]

    def wait_for(self, condition: Callable[[], bool]) -> float:
        """Wait until something holds; return the seconds that took. Fails if the consumer ends."""

        def holds() -> bool:
            if self.process.poll() is not None:
                pytest.fail(f"the consumer ended with {self.process.returncode}")
            return condition()

        return poll_until(holds)


def poll_until(condition: Callable[[], bool]) -> float:
    """Ask again and again until something holds; return the seconds that took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > LIMIT_SECONDS:
            pytest.fail(f"not within {LIMIT_SECONDS:g} s")
        time.sleep(0.05)
    return time.monotonic() - started


@pytest.fixture
def daemon_parts() -> None:
    """Java and the jars, which a laptop may lack."""
    try:
        find_java(os.environ)
        find_jars("")
    except ConfigurationError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


@pytest.fixture
def consumer(
    tmp_path: Path,
    fresh_stream: str,
    dynamodb_endpoint: str,
    kinesis_endpoint: str,
    daemon_parts: None,
) -> Iterator[Consumer]:
    """A consumer that was just started."""
    with Consumer(tmp_path, fresh_stream, dynamodb_endpoint, kinesis_endpoint) as running:
        yield running

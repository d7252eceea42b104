"""A mapping over a real stream, with functions that do as the records say."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from dropslot.local.clients import kinesis_client, local_environment
from dropslot.local.mapping.beat import BEAT_FILE, read_beat
from dropslot.local.mapping.consumer import ConsumerPlaces, MappingConsumer
from dropslot.local.mapping.options import MappingOptions
from dropslot.local.mapping.positions import read_positions
from dropslot.local.mapping.specs import stream_function, sweep_function
from tests.conftest import made_stream

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

FUNCTIONS: Final = Path(__file__).with_name("functions")
PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A stream with one shard, and what a mapping on it did.

    Args:
        client: of Kinesis.
        stream: name of the stream.
        folder: takes run log, positions and failures.
    """

    client: "KinesisClient"
    stream: str
    folder: Path

    def put(self, *wishes: Mapping[str, Any], key: str = "key") -> list[str]:
        """Put records that pass the filters, numbered by their `n`; return their sequence numbers."""
        return [
            self.client.put_record(
                StreamName=self.stream, PartitionKey=key, Data=json.dumps({"eventName": "INSERT", **wish}).encode()
            )["SequenceNumber"]
            for wish in wishes
        ]

    def run(self, until: Callable[[], bool], *, keeps_failures: bool = True, **options: Any) -> None:
        """Run a mapping until something has happened."""
        (self.folder / BEAT_FILE).unlink(missing_ok=True)
        environment = local_environment(
            {**os.environ, "PYTHONPATH": str(FUNCTIONS), "RUN_LOG": str(self.log)},
            region="us-east-1",
            dynamodb_endpoint="http://127.0.0.1:9",
            kinesis_endpoint="http://127.0.0.1:9",
        )
        chosen = {"batching_window_seconds": 0, "poll_seconds": 0.05, "stream_timeout_seconds": 30, **options}
        choices = MappingOptions(**chosen)
        consumer = MappingConsumer(
            choices,
            ConsumerPlaces(
                stream=self.stream,
                region="us-east-1",
                state_dir=self.folder,
                positions=self.folder / "positions.json",
                failures=self.folder / "failures" if keeps_failures else None,
            ),
            client=self.client,
            function=stream_function(choices, environment),
            sweep=sweep_function(choices, environment),
            on_line=lambda _line: None,
        )
        asyncio.run(_run(consumer, until))

    def run_to_end(self, *sequence_numbers: str, **options: Any) -> None:
        """Run a mapping until the last of these records is resolved or given up."""
        self.run(lambda: sequence_numbers[-1] in self.positions().values(), **options)

    @property
    def log(self) -> Path:
        """The run log."""
        return self.folder / "runs"

    def invocations(self) -> list[dict[str, Any]]:
        """Return the stream function's notes, one for each invocation."""
        return [note for note in self._notes() if "numbers" in note]

    def batches(self) -> list[list[int]]:
        """Return the numbers that each invocation was given."""
        return [note["numbers"] for note in self.invocations()]

    def sweeps(self) -> int:
        """Return how often the sweep function was called."""
        return sum("sweep" in note for note in self._notes())

    def positions(self) -> dict[str, str]:
        """Return how far the mapping has got, by shard."""
        return read_positions(self.folder / "positions.json")

    def reading(self) -> bool:
        """Tell whether the mapping that runs has found its place in the stream."""
        beat = read_beat(self.folder)
        return beat is not None and bool(beat.shards)

    def has_run(self, environment: str) -> bool:
        """Tell whether the mapping's heartbeat has named this execution environment."""
        beat = read_beat(self.folder)
        return beat is not None and environment in beat.functions

    def given_up(self) -> list[dict[str, Any]]:
        """Return the invocation records of the failure destination, oldest first."""
        files = [file for file in (self.folder / "failures").rglob("*") if file.is_file()]
        return [json.loads(file.read_bytes()) for file in sorted(files, key=lambda file: file.stat().st_mtime_ns)]

    def _notes(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


async def _run(consumer: MappingConsumer, until: Callable[[], bool]) -> None:
    running = asyncio.create_task(consumer.run())
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while not until():
            assert not running.done(), running.exception()
            assert time.monotonic() < deadline, "it didn't happen in time"
            await asyncio.sleep(0.02)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.fixture
def mapped(kinesis_endpoint: str, tmp_path: Path) -> Iterator[Mapped]:
    """A new stream with one shard."""
    (tmp_path / "runs").touch()
    with contextlib.closing(kinesis_client(kinesis_endpoint)) as client, made_stream(client, 1) as stream:
        yield Mapped(client=client, stream=stream, folder=tmp_path)

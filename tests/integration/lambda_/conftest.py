"""Functions in processes of their own, over a table of DynamoDB Local; the test is the mapping that invokes them."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

from dropslot.local.clients import dynamodb_client, local_environment
from tests.conftest import FreshTable
from tests.unit.core.images import Image, data, image, record
from tests.unit.runtimes.lambda_.stand import event, lambda_record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]


class Process:
    """One execution environment of a function.

    Args:
        handler: as Lambda's configuration names it.
        environment: all of its variables.
        log: takes its stderr.
    """

    def __init__(self, handler: str, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("a") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "runtime.py"), handler],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def __enter__(self) -> Self:
        """Give the process to a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def invoke(self, event: Mapping[str, Any], *, seconds: float = 100) -> dict[str, Any] | None:
        """Invoke the function; None if its process ended of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"event": event, "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def lines(self) -> list[dict[str, Any]]:
        """Return what was logged so far; lines of a traceback are left out."""
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]


class Deployed:
    """A table and functions over it."""

    def __init__(self, table: FreshTable, client: "DynamoDBClient", folder: Path) -> None:
        self.table = table
        self.client = client
        self.run_log = folder / "runs"
        self.run_log.touch()
        self._log = folder / "log"
        self._stack = ExitStack()
        self._sequence = itertools.count(1)
        python_path = os.pathsep.join((str(ROOT / "lambda"), str(ROOT)))
        self.environment = local_environment(
            {**os.environ, "PYTHONPATH": python_path, "RUN_LOG": str(self.run_log)},
            region="us-east-1",
            dynamodb_endpoint=table.endpoint,
            kinesis_endpoint="http://127.0.0.1:9",
        ) | {
            "DROPSLOT_TABLE": table.name,
            "DROPSLOT_HANDLER": "tests.integration.lambda_.handlers:handle",
            "DROPSLOT_HANDLER_TIMEOUT_SECONDS": "30",
        }

    def function(self, handler: str, **variables: str) -> Process:
        """Start an execution environment."""
        return self._stack.enter_context(Process(handler, self.environment | variables, self._log))

    def accept(self, request_id: str, wish: Mapping[str, Any], **attributes: int | str | None) -> dict[str, Any]:
        """Put a request into the table; return its record, which arrives now."""
        now_ms = time.time_ns() // 1_000_000
        item = image(request_id, **{"request": json.dumps(wish), "accepted_at": now_ms, "due_at": now_ms, **attributes})
        self.client.put_item(TableName=self.table.name, Item=item)
        payload = data(record(item, table=self.table.name, created=now_ms * 1000))
        return lambda_record(payload, next(self._sequence), now_ms / 1000)

    def item(self, request_id: str) -> Image:
        """Read an item."""
        answer = self.client.get_item(TableName=self.table.name, Key={"id": {"S": request_id}}, ConsistentRead=True)
        return answer["Item"]  # type: ignore[return-value]

    def status(self, request_id: str) -> str:
        """Return an item's status without its digit."""
        return str(self.item(request_id)["status"]["S"]).partition("-")[0]

    def runs(self, request_id: str) -> int:
        """Return how often a handler was called for a request."""
        return [line.split()[0] for line in self.run_log.read_text().splitlines()].count(request_id)

    def close(self) -> None:
        """End the functions."""
        self._stack.close()


@pytest.fixture
def deployed(fresh_table: FreshTable, tmp_path: Path) -> Iterator[Deployed]:
    """A table of one's own, and a maker of functions over it."""
    client = dynamodb_client(fresh_table.endpoint)
    deployed = Deployed(fresh_table, client, tmp_path)
    yield deployed
    deployed.close()
    client.close()


Batch = Callable[..., dict[str, Any]]


@pytest.fixture
def batch() -> Batch:
    """Make the event of a batch from records."""
    return event

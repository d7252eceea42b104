"""The rig: a local stack whose gateway and consumer reach DynamoDB through a proxy that can misbehave."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dropslot.core import names
from dropslot.core.policy import MAX_STARTS
from dropslot.local.guard import Guard
from dropslot.local.options import KCL
from dropslot.local.process import is_running
from dropslot.local.relay import state as relay_states
from dropslot.local.stack import Stack
from tests.chaos import ledger
from tests.chaos.handlers import runs_by_id
from tests.chaos.patience import eventually
from tests.chaos.proxy import Proxy
from tests.chaos.worker import Worker
from tests.chaos.workload import Client

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_kinesis import KinesisClient

#: Handlers that were started before a pile counts as being worked on.
_RUNS_FIRST: Final = 10
_PROCESS_SECONDS: Final = 120.0
#: Name of the function that gets the batches.
_FUNCTION: Final = "dropslot-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A running pipeline with a fault's handles on it.

    Args:
        stack: the stack.
        folder: takes logs, run log, and data if it is kept.
        proxy: stands before DynamoDB for gateway and consumer; the relay and the rig itself go straight.
        client: hands requests in, through a gateway behind the proxy.
        environment: of consumers.
        guard: ends what is left when the rig itself is killed.
        dynamodb: client of the table, past the proxy.
        streams: client of the table's change feed.
        kinesis: client of the stream.
    """

    stack: Stack
    folder: Path
    proxy: Proxy
    client: Client
    environment: Mapping[str, str]
    guard: Guard
    dynamodb: "DynamoDBClient"
    streams: "DynamoDBStreamsClient"
    kinesis: "KinesisClient"

    def unsettled(self) -> int:
        """Return how many requests are pending or waiting, by the index, which is current on DynamoDB Local."""
        return sum(
            self.dynamodb.query(
                TableName=self.stack.info.table,
                IndexName=names.UNFINISHED_INDEX,
                Select="COUNT",
                KeyConditionExpression="queue = :queue",
                ExpressionAttributeValues={":queue": {"S": names.stored_status(status, digit)}},
            )["Count"]
            for status in (names.PENDING, names.WAITING)
            for digit in names.SPREAD_DIGITS
        )

    def open_ids(self) -> set[str]:
        """Return the ids of the items that are pending or waiting, by the table itself."""
        return {
            item[names.ID]["S"]
            for item in ledger.read_table(self.dynamodb, self.stack.info.table)
            if item[names.STATUS]["S"].rpartition("-")[0] in {names.PENDING, names.WAITING}
        }

    def await_pile(self, least: int, limit_seconds: float) -> int:
        """Wait until this many requests are unsettled, with handlers running; return how many."""
        seen = 0
        runs_wanted = self.runs() + _RUNS_FIRST

        def enough() -> bool:
            nonlocal seen
            seen = self.unsettled()
            return seen >= least and self.runs() >= runs_wanted

        eventually(enough, limit_seconds, lambda: f"{seen} requests unsettled, {self.runs()} of {runs_wanted} runs")
        return seen

    @contextmanager
    def slow_handlers(self) -> Iterator[None]:
        """Have each handler take seconds during a `with` block, so that requests pile up on any machine."""
        gate = self.folder / "gate"
        gate.touch()
        try:
            yield
        finally:
            gate.unlink()

    def runs(self) -> int:
        """Return how often a handler was run so far."""
        return (self.folder / "runs").read_bytes().count(b"\n")

    def await_settled(self, limit_seconds: float) -> float:
        """Wait until no request is unsettled; return the seconds since the last one was accepted."""
        # The count of the index may miss what moves from one queue to another; a settled item stays one.
        eventually(
            lambda: self.unsettled() == 0 and not self.open_ids(),
            limit_seconds,
            lambda: f"{self.unsettled()} unsettled",
        )
        return time.monotonic() - self.client.last_accepted_at

    def await_relayed(self, limit_seconds: float = 180.0) -> None:
        """Wait until the relay has read every change there is."""
        expected = sum(1 for _ in ledger.read_feed(self.dynamodb, self.streams, self.stack.info.table))
        eventually(
            lambda: self.relay_counters()["read"] >= expected, limit_seconds, lambda: "the relay has changes left"
        )

    def relay_counters(self) -> Mapping[str, int]:
        """Return what the relay has counted."""
        return relay_states.read(Path(self.stack.info.state) / "relay.json").counters

    def audit(self) -> ledger.Ledger:
        """Compare all books."""
        table = self.stack.info.table
        return ledger.audit(
            accepted=self.client.accepted,
            offered=self.client.offered,
            items=ledger.read_table(self.dynamodb, table),
            feed=ledger.read_feed(self.dynamodb, self.streams, table),
            runs=runs_by_id(self.folder / "runs"),
            # A shard process is first of all innocent; a function may count the first start that it sees already.
            least_deaths=MAX_STARTS if self.stack.info.consumer == KCL else MAX_STARTS - 1,
        )

    def pid(self, name: str) -> int:
        """Return the process id of a process that runs: `daemon`, `consumer` or another name of the ready file."""
        found: list[int] = []

        def runs() -> bool:
            found[:] = [pid for pid in [self.stack.info.pids.get(name)] if pid is not None and is_running(pid)]
            return bool(found)

        eventually(runs, _PROCESS_SECONDS, lambda: f"no {name} runs")
        return found[0]

    def shard_pids(self) -> list[int]:
        """Return the process ids of the shard processes that run, at least one."""
        found: list[int] = []

        def runs() -> bool:
            found[:] = [pid for pid in self.stack.shard_pids().values() if is_running(pid)]
            return bool(found)

        eventually(runs, _PROCESS_SECONDS, lambda: "no shard process runs")
        return sorted(found)

    def function_pids(self) -> list[int]:
        """Return the process ids of the stream function's environments that run, at least one."""
        found: list[int] = []

        def runs() -> bool:
            pids = self.stack.info.pids
            found[:] = [pids[name] for name in pids if name.startswith(_FUNCTION) and is_running(pids[name])]
            return bool(found)

        eventually(runs, _PROCESS_SECONDS, lambda: "no function runs")
        return sorted(found)

    def lost_invocations(self) -> int:
        """Return how many invocations of the stream function got no answer so far."""
        lines = (Path(self.stack.info.logs) / "consumer.log").read_bytes().splitlines()
        lost = (json.loads(line) for line in lines if b'"invocation_lost"' in line)
        return sum(line["function"] == _FUNCTION for line in lost)

    @contextmanager
    def second_worker(self, name: str) -> Iterator[Worker]:
        """Run another consumer of the same application; at the end it dies, if it hasn't stopped."""
        worker = Worker(self.folder / name, self.environment, self.guard)
        try:
            yield worker
        finally:
            worker.die()

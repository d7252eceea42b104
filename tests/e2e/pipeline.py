"""A running stack as the tests use it: hand in, wait for the outcome, look at the item, the feed and the counters."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import httpx
import msgspec

from dropslot.core import names
from dropslot.demo.checkpoints import at_end
from dropslot.local import consumer_state
from dropslot.local.clients import dynamodb_client, kinesis_client, streams_client
from dropslot.local.mapping.beat import read_beat
from dropslot.local.mapping.consumer import FILTERED
from dropslot.local.options import LAMBDA
from dropslot.local.relay import state as relay_states
from dropslot.local.stack import Stack
from dropslot.runtimes.kcl.heartbeat import read_shard_beats

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_kinesis import KinesisClient

#: Name of the consumer's KCL application, and of its lease table.
APPLICATION: Final = "dropslot"
SETTLED: Final = frozenset((names.DONE, names.FAILED))
#: How long a test waits for what usually takes a second; only a fault uses it up.
PATIENCE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_CLIENTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of the Kinesis stream.

    Args:
        key: its partition key.
        data: its payload.
    """

    key: str
    data: bytes

    @property
    def change(self) -> dict[str, Any]:
        """The payload, decoded."""
        change: dict[str, Any] = msgspec.json.decode(self.data)
        return change


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeds:
    """Where both change feeds stood.

    Args:
        kinesis: an iterator for each shard of the Kinesis stream.
        table: the same for the table's own change stream; None stands for its start.
    """

    kinesis: Mapping[str, str]
    table: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A running stack, and clients of its parts.

    Args:
        stack: the stack.
        http: client of its API.
        run_log: file with a line for each run of a handler.
        dynamodb: client of its table.
        streams: client of the table's change stream.
        kinesis: client of its stream.
    """

    stack: Stack
    http: httpx.Client
    run_log: Path
    dynamodb: "DynamoDBClient"
    streams: "DynamoDBStreamsClient"
    kinesis: "KinesisClient"

    @classmethod
    @contextmanager
    def of(cls, stack: Stack, run_log: Path) -> Iterator[Self]:
        """Open clients of a running stack."""
        info = stack.info
        with ExitStack() as clients:
            yield cls(
                stack=stack,
                http=clients.enter_context(httpx.Client(base_url=info.url, timeout=35, trust_env=False)),
                run_log=run_log,
                dynamodb=clients.enter_context(closing(dynamodb_client(info.dynamodb_endpoint))),
                streams=clients.enter_context(closing(streams_client(info.dynamodb_endpoint))),
                kinesis=clients.enter_context(closing(kinesis_client(info.kinesis_endpoint))),
            )

    def put(
        self,
        type_name: str,
        body: str | bytes,
        *,
        key: str | None = None,
        content_type: str = "text/plain",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request."""
        return self.http.put(
            f"/{type_name}",
            content=body.encode() if isinstance(body, str) else body,
            headers={
                "Content-Type": content_type,
                **({"Idempotency-Key": key} if key is not None else {}),
                **(headers if headers is not None else {}),
            },
        )

    def submit(self, type_name: str, body: str | bytes, **choices: Any) -> str:
        """Send a request that must be accepted; return its id. The choices are those of `put`."""
        answer = self.put(type_name, body, **choices)
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/{type_name}/{answer.json()['id']}"
        return str(answer.json()["id"])

    def submit_all(self, type_name: str, bodies: Iterable[str | bytes], **choices: Any) -> list[str]:
        """Send several requests from several clients; return their ids."""
        with ThreadPoolExecutor(_CLIENTS) as clients:
            return list(clients.map(lambda body: self.submit(type_name, body, **choices), bodies))

    def task(self, do: str, type_name: str = "tasks", **body: Any) -> str:
        """Hand in a task of handlers.py; return its id."""
        return self.submit(type_name, json.dumps({"do": do, **body}), content_type="application/json")

    def state(self, type_name: str, request_id: str) -> dict[str, Any]:
        """Ask the API what became of a request."""
        answer = self.http.get(f"/{type_name}/{request_id}")
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()
        return state

    def settled(
        self, type_name: str, request_ids: Sequence[str], patience_seconds: float = PATIENCE_SECONDS
    ) -> dict[str, dict[str, Any]]:
        """Wait until all these requests are settled; return their states by id."""
        states: dict[str, dict[str, Any]] = {}

        def all_settled() -> bool:
            for request_id in request_ids:
                if states.get(request_id, {}).get("status") not in SETTLED:
                    states[request_id] = self.state(type_name, request_id)
            return all(states[request_id]["status"] in SETTLED for request_id in request_ids)

        eventually(all_settled, patience_seconds, lambda: f"not all settled: {states}")
        return states

    def outcome(self, type_name: str, request_id: str) -> dict[str, Any]:
        """Wait until this request is settled; return its state."""
        return self.settled(type_name, [request_id])[request_id]

    def await_status(self, type_name: str, request_id: str, status: str) -> dict[str, Any]:
        """Wait until this request has a status; return its state."""
        eventually(lambda: self.state(type_name, request_id)["status"] == status)
        return self.state(type_name, request_id)

    def item(self, type_name: str, request_id: str) -> dict[str, Any] | None:
        """Read an item as it is stored."""
        return self.item_of(item_id(type_name, request_id))

    def item_of(self, key: str) -> dict[str, Any] | None:
        """Read an item by its key, as it is stored."""
        table = self.stack.info.table
        return self.dynamodb.get_item(TableName=table, Key={"id": {"S": key}}, ConsistentRead=True).get("Item")

    def runs(self, type_name: str, request_id: str) -> list[int]:
        """Return the attempt of each run of a request's handler so far."""
        return self.all_runs().get(item_id(type_name, request_id), [])

    def all_runs(self) -> dict[str, list[int]]:
        """Return the attempts of all runs so far, by key of the item."""
        return self._logged("attempt")

    def run_times(self) -> dict[str, list[int]]:
        """Return when all runs so far began, in epoch milliseconds, by key of the item."""
        return self._logged("at_ms")

    def _logged(self, field: str) -> dict[str, list[int]]:
        runs: dict[str, list[int]] = {}
        for line in self.run_log.read_text().splitlines():
            run = json.loads(line)
            runs.setdefault(run["id"], []).append(run[field])
        return runs

    def counters(self) -> Counter[str]:
        """Return what the consumer's processes have counted until now, together; they tell once a second."""
        asked_at = time.time()
        state_dir = Path(self.stack.info.state) / "consumer"

        def all_told() -> bool:
            told_at = [beat.beat_epoch_seconds for beat in read_shard_beats(state_dir)]
            mapping = read_beat(state_dir)
            if mapping is not None:
                told_at.append(mapping.beat_epoch_seconds)
            return bool(told_at) and min(told_at) >= asked_at

        eventually(all_told)
        return sum(consumer_state.counted(state_dir).values(), Counter())

    def await_counted(
        self, before: Mapping[str, int], *, filtered: Mapping[str, int] | None = None, **expected: int
    ) -> None:
        """Wait until these counters have grown by just that much.

        Args:
            before: what they were.
            filtered: how much less of each the Lambda consumer counts, since the filters of its mapping keep it away.
            expected: how much they grow.
        """
        if filtered is not None and self.stack.info.consumer == LAMBDA:
            expected = {name: number - filtered.get(name, 0) for name, number in expected.items()}
            # At least: write-backs of earlier tests may still be on their way.
            eventually(lambda: self.counters()[FILTERED] - before.get(FILTERED, 0) >= filtered["records"], 15)

        def grown() -> dict[str, int]:
            now = self.counters()
            return {name: now[name] - before.get(name, 0) for name in expected}

        eventually(lambda: grown() == expected, 15, lambda: f"{grown()} instead of {expected}")

    def await_checkpoints(self) -> None:
        """Wait until the checkpoint of each shard stands at its last record."""
        info = self.stack.info
        eventually(
            lambda: all(at_end(info, self.dynamodb, self.kinesis, application=APPLICATION).values()),
            describe=lambda: "a checkpoint stays behind the last record",
        )

    def await_quiet(self) -> None:
        """Wait until what earlier tests have left behind is through: in the stream, and counted by the consumer."""
        changes = len(self.table_changes(Feeds(kinesis={}, table={})))
        relay = Path(self.stack.info.state) / "relay.json"
        eventually(lambda: relay_states.read(relay).counters["read"] >= changes)
        self.await_checkpoints()

    def feeds(self) -> Feeds:
        """Return where both feeds stand now."""
        stream = self.stack.info.stream
        kinesis = {
            shard["ShardId"]: self.kinesis.get_shard_iterator(
                StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="LATEST"
            )["ShardIterator"]
            for shard in self.kinesis.list_shards(StreamName=stream)["Shards"]
        }
        arn = self.dynamodb.describe_table(TableName=self.stack.info.table)["Table"]["LatestStreamArn"]
        table: dict[str, str | None] = {}
        for shard_id in self._table_shards(arn):
            first, latest = (self._table_iterator(arn, shard_id, kind) for kind in ("TRIM_HORIZON", "LATEST"))
            # DynamoDB Local knows no latest record of a shard without any, and its iterators at the start go stale.
            filled = self.streams.get_records(ShardIterator=first, Limit=1)["Records"]
            table[shard_id] = latest if filled else None
        return Feeds(kinesis=kinesis, table=table)

    def records(self, since: Feeds) -> list[Record]:
        """Return what has come into the Kinesis stream since then, in order within a shard."""
        found = []
        for first in since.kinesis.values():
            iterator = first
            while True:
                answer = self.kinesis.get_records(ShardIterator=iterator, Limit=1000)
                found += [Record(key=each["PartitionKey"], data=each["Data"]) for each in answer["Records"]]
                if not answer["Records"]:
                    break
                iterator = answer["NextShardIterator"]
        return found

    def table_changes(self, since: Feeds) -> list[dict[str, Any]]:
        """Return what the table's own change stream has got since then."""
        arn = self.dynamodb.describe_table(TableName=self.stack.info.table)["Table"]["LatestStreamArn"]
        found: list[dict[str, Any]] = []
        for shard_id in self._table_shards(arn):
            iterator = since.table.get(shard_id)
            if iterator is None:
                iterator = self._table_iterator(arn, shard_id, "TRIM_HORIZON")
            while iterator is not None:
                answer = self.streams.get_records(ShardIterator=iterator, Limit=1000)
                found += [dict(each) for each in answer["Records"]]
                iterator = answer.get("NextShardIterator") if answer["Records"] else None
        return found

    def _table_shards(self, arn: str) -> list[str]:
        return [
            shard["ShardId"] for shard in self.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        ]

    def _table_iterator(self, arn: str, shard_id: str, kind: Literal["TRIM_HORIZON", "LATEST"]) -> str:
        answer = self.streams.get_shard_iterator(StreamArn=arn, ShardId=shard_id, ShardIteratorType=kind)
        return answer["ShardIterator"]

    def inject(self, records: Sequence[Record]) -> None:
        """Put records into the stream, one after the other."""
        for record in records:
            self.kinesis.put_record(StreamName=self.stack.info.stream, PartitionKey=record.key, Data=record.data)


def item_id(type_name: str, request_id: str) -> str:
    """Return the key of a request's item."""
    return names.item_id(names.NO_CALLER, type_name, request_id)


def eventually(
    condition: Callable[[], bool],
    patience_seconds: float = PATIENCE_SECONDS,
    describe: Callable[[], str] = lambda: "it didn't happen in time",
) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: it doesn't, in time.
    """
    deadline = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(_POLL_SECONDS)

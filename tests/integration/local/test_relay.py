"""The relay as a process between a real DynamoDB Local and a real kinesis-local."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dropslot.core import names
from dropslot.core.feedback import CONNECTION
from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.local.relay.faults import Faults
from dropslot.local.relay.record import partition_key
from dropslot.local.relay.state import RelayState, read
from dropslot.local.tables import ensure_connections, ensure_journal
from tests.conftest import FreshTable
from tests.integration.local.streams import all_records

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient


class Pipe:
    """A table, a stream and a relay that can be started between them."""

    def __init__(self, table: FreshTable, stream: str, kinesis_endpoint: str, folder: Path) -> None:
        self.table, self.stream = table, stream
        self.state_file = folder / "relay.json"
        self.dynamodb: DynamoDBClient = dynamodb_client(table.endpoint)
        self.kinesis: KinesisClient = kinesis_client(kinesis_endpoint)
        self._kinesis_endpoint = kinesis_endpoint

    @contextmanager
    def relay(self, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run the relay; at the end it must stop in order unless it was killed."""
        command = [sys.executable, "-m", "dropslot.local.relay"]
        command += ["--dynamodb-endpoint", self.table.endpoint, "--kinesis-endpoint", self._kinesis_endpoint]
        command += ["--table", self.table.name, "--stream", self.stream, "--state", str(self.state_file)]
        process = subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            assert process.wait(20) in {0, -9}

    def put(self, request_id: str, **attributes: dict[str, Any]) -> None:
        """Write an item."""
        self.dynamodb.put_item(TableName=self.table.name, Item={"id": {"S": request_id}, **attributes})

    def records(self) -> list[dict[str, Any]]:
        """Return all records of the stream."""
        return all_records(self.kinesis, self.stream)

    def state(self) -> RelayState:
        """Return the relay's state, empty before it wrote one."""
        try:
            return read(self.state_file)
        except FileNotFoundError:
            return RelayState()


@pytest.fixture
def pipe(fresh_table: FreshTable, fresh_stream: str, kinesis_endpoint: str, tmp_path: Path) -> Pipe:
    """A fresh table and a fresh stream with no relay yet."""
    return Pipe(fresh_table, fresh_stream, kinesis_endpoint, tmp_path)


def test_changes_arrive_in_order_in_the_shard_of_their_item(pipe: Pipe) -> None:
    """Given many changes of several items, each item's arrive in their order, once, in one shard."""
    with pipe.relay():
        for version in range(20):
            for item in range(8):
                pipe.put(f"item-{item}", version={"N": str(version)})
        _eventually(lambda: pipe.state().counters["relayed"] == 160)
        records = pipe.records()

    assert len({each["shard"] for each in records}) == 2
    for item in range(8):
        own = [each for each in records if each["record"]["dynamodb"]["Keys"] == {"id": {"S": f"item-{item}"}}]
        assert [int(each["record"]["dynamodb"]["NewImage"]["version"]["N"]) for each in own] == list(range(20))
        assert len({(each["shard"], each["key"]) for each in own}) == 1
        assert [each["record"]["eventName"] for each in own] == ["INSERT"] + ["MODIFY"] * 19
        assert all("OldImage" in each["record"]["dynamodb"] for each in own[1:])


def test_times_are_microseconds_of_the_change(pipe: Pipe) -> None:
    """Given a change, its record is dated with the time it was made, in microseconds."""
    with pipe.relay():
        _eventually(lambda: pipe.state().pid != 0)
        before = time.time_ns() // 1000
        pipe.put("item", raw={"B": b"\x00\xff"})
        _eventually(lambda: pipe.state().counters["relayed"] == 1)
        after = time.time_ns() // 1000

    change = pipe.records()[0]["record"]["dynamodb"]
    assert before <= change["ApproximateCreationDateTime"] <= after
    assert change["NewImage"]["raw"] == {"B": "AP8="}


def test_expired_items_are_deleted_and_the_deletion_says_so(pipe: Pipe) -> None:
    """Given expired and other items, the expired are deleted as DynamoDB does; a client's deletion isn't marked so."""
    past, future = str(int(time.time()) - 5), str(int(time.time()) + 3600)
    pipe.put("expired", ttl={"N": past})
    pipe.put("kept", ttl={"N": future})
    pipe.put("deleted", ttl={"N": future})
    with pipe.relay("--expire-every-seconds", "0.1"):
        pipe.dynamodb.delete_item(TableName=pipe.table.name, Key={"id": {"S": "deleted"}})
        _eventually(lambda: pipe.state().counters["relayed"] == 5)

    removals = {
        each["record"]["dynamodb"]["Keys"]["id"]["S"]: each["record"]["userIdentity"]
        for each in pipe.records()
        if each["record"]["eventName"] == "REMOVE"
    }
    service = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert removals == {"expired": service, "deleted": None}
    assert "Item" in pipe.dynamodb.get_item(TableName=pipe.table.name, Key={"id": {"S": "kept"}})
    assert pipe.state().counters["expired"] == 1


@pytest.mark.parametrize(
    ("option", "sort_key", "ensure"),
    [("--connections", CONNECTION, ensure_connections), ("--journal", names.RUN, ensure_journal)],
)
def test_expired_rows_of_other_tables_are_deleted(
    pipe: Pipe, option: str, sort_key: str, ensure: Callable[["DynamoDBClient", str], None]
) -> None:
    """Given expired and other rows of one partition, the expired go, and the stream hears nothing of it."""
    name = f"{pipe.table.name}{option}"
    ensure(pipe.dynamodb, name)
    now = int(time.time())
    for key, ttl in (("old=", now - 5), ("new=", now + 3600)):
        row = {"id": {"S": "c#orders#a"}, sort_key: {"S": key}, "ttl": {"N": str(ttl)}}
        pipe.dynamodb.put_item(TableName=name, Item=row)

    def left() -> list[str]:
        return [row[sort_key]["S"] for row in pipe.dynamodb.scan(TableName=name)["Items"]]

    with pipe.relay("--expire-every-seconds", "0.1", option, name):
        _eventually(lambda: left() == ["new="])
        pipe.put("kept")
        _eventually(lambda: pipe.state().counters["relayed"] == 1)
    assert len(pipe.records()) == 1
    pipe.dynamodb.delete_table(TableName=name)


def test_faults_hit_the_records_that_the_seed_says(pipe: Pipe) -> None:
    """Given rates and a seed, exactly the records it names are repeated and left out."""
    with pipe.relay("--duplicate", "0.3", "--skip", "0.2", "--delay-seconds", "0.2", "--seed", "11"):
        for number in range(100):
            pipe.put(f"item-{number}")
        faults = Faults(duplicate=0.3, skip=0.2, delay_seconds=0.2, seed=11)
        _eventually(lambda: pipe.state().counters["read"] == 100)
        keys = [partition_key({"id": {"S": f"item-{number}"}}) for number in range(100)]
        fates = [faults.fate(f"{key}/INSERT//") for key in keys]
        copies = [0 if fate.skip else 1 + (fate.copy_after_seconds is not None) for fate in fates]
        _eventually(lambda: len(pipe.records()) == sum(copies))

    arrived = [each["record"]["dynamodb"]["Keys"]["id"]["S"] for each in pipe.records()]
    assert [arrived.count(f"item-{number}") for number in range(100)] == copies
    repeated = [each["record"]["eventID"] for each in pipe.records()]
    assert len(set(repeated)) == sum(not fate.skip for fate in fates)


def test_held_records_are_not_lost_by_a_kill(pipe: Pipe) -> None:
    """Given delayed records that the relay holds, when it is killed and started again, then they arrive."""
    with pipe.relay("--delay", "0.5", "--delay-seconds", "600", "--seed", "5") as relay:
        for number in range(40):
            pipe.put(f"item-{number}")
        _eventually(lambda: pipe.state().counters["read"] == 40)
        assert pipe.state().counters["delayed"] > 5
        relay.kill()
    with pipe.relay():
        _eventually(
            lambda: (
                {each["record"]["dynamodb"]["Keys"]["id"]["S"] for each in pipe.records()}
                == {f"item-{number}" for number in range(40)}
            )
        )


def test_too_large_records_are_left_out_and_counted(pipe: Pipe) -> None:
    """Given an update whose two images pass 1 MB as JSON, it doesn't arrive, and the next change does."""
    with pipe.relay():
        for version in ("1", "2"):
            pipe.put("item", version={"N": version}, request={"S": "\x01" * 100_000})
        pipe.put("other")
        _eventually(lambda: pipe.state().counters["oversized"] == 1 and pipe.state().counters["relayed"] == 2)

    assert [each["record"]["eventName"] for each in pipe.records()] == ["INSERT", "INSERT"]


def _eventually(condition: Callable[[], bool], timeout_seconds: float = 15) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(0.02)

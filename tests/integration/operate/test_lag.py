"""`dropslot lag` on a real stream and real lease tables, laid out as each version of KCL does."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.local.mapping.positions import POSITIONS_FILE, Positions
from dropslot.operate.lag import show_lag
from dropslot.operate.leases import Lease, Leases, read_leases
from dropslot.operate.running import RunningStack, announced
from dropslot.operate.screen import Screen
from dropslot.operate.target import Choice, opened
from tests.conftest import FreshTable
from tests.integration.operate.leases import (
    LEADER,
    MIGRATION,
    STATISTICS,
    WORKER,
    lease_item,
    meanwhile,
    transcript,
)
from tests.integration.operate.operator import run

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import RecordTypeDef

DEAD = "vm:0c4b7f10"


class Stage:
    """A stream of two shards, and the tables of a consumer that isn't there."""

    def __init__(self, dynamodb: "DynamoDBClient", kinesis: "KinesisClient", stack: RunningStack) -> None:
        self.dynamodb = dynamodb
        self.kinesis = kinesis
        self.stack = stack

    def make_table(self, suffix: str, key: str, *items: dict[str, Any]) -> None:
        """Make one of KCL's tables."""
        name = self.stack.application + suffix
        self.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        )
        for item in items:
            self.dynamodb.put_item(TableName=name, Item=item)

    def renew(self, shard: int, *, checkpoint: str | None = None) -> None:
        """Renew a lease, as its owner does."""
        sets = "leaseCounter = leaseCounter + :one" + (", checkpoint = :checkpoint" if checkpoint is not None else "")
        values: dict[str, Any] = {":one": {"N": "1"}}
        if checkpoint is not None:
            values[":checkpoint"] = {"S": checkpoint}
        self.dynamodb.update_item(
            TableName=self.stack.application,
            Key={"leaseKey": {"S": f"shardId-{shard:012}"}},
            UpdateExpression=f"SET {sets}",
            ExpressionAttributeValues=values,
        )

    def put(self, count: int) -> dict[str, list[str]]:
        """Put records; return their sequence numbers by shard."""
        numbers: dict[str, list[str]] = {}
        for index in range(count):
            answer = self.kinesis.put_record(StreamName=self.stack.stream, Data=b"x", PartitionKey=str(index))
            numbers.setdefault(answer["ShardId"], []).append(answer["SequenceNumber"])
        return numbers

    def records(self, shard_id: str) -> "list[RecordTypeDef]":
        """Return the records of a shard."""
        iterator = self.kinesis.get_shard_iterator(
            StreamName=self.stack.stream, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        return self.kinesis.get_records(ShardIterator=iterator)["Records"]


@pytest.fixture
def stage(
    fresh_table: FreshTable, fresh_stream: str, kinesis_endpoint: str, no_aws: None, work_dir: Path
) -> Iterator[Stage]:
    """A running stack without a consumer."""
    stack = RunningStack(
        pid=os.getpid(),
        dynamodb_endpoint=fresh_table.endpoint,
        kinesis_endpoint=kinesis_endpoint,
        region="us-east-1",
        table=fresh_table.name,
        stream=fresh_stream,
        application=f"{fresh_stream}-app",
        consumer="kcl",
        positions=None,
    )
    with (
        announced(stack, work_dir),
        closing(dynamodb_client(fresh_table.endpoint)) as dynamodb,
        closing(kinesis_client(kinesis_endpoint)) as kinesis,
    ):
        yield Stage(dynamodb, kinesis, stack)


@pytest.mark.parametrize("layout", ["three tables", "one table"])
def test_both_layouts_say_the_same(stage: Stage, layout: str) -> None:
    """Given what KCL 3.1.3 and 3.5 write of one state, it is read alike: leases are told from all else."""
    leases = [lease_item(0, checkpoint={"S": "495"}), lease_item(1, leaseOwner={"S": ""}, leaseCounter={"N": "0"})]
    del leases[1]["leaseOwner"]
    if layout == "three tables":
        stage.make_table("", "leaseKey", *leases)
        stage.make_table(
            "-CoordinatorState", "key", {**LEADER, "key": {"S": "Leader"}}, {**MIGRATION, "key": {"S": "Migration3.0"}}
        )
        stage.make_table("-WorkerMetricStats", "wid", {**STATISTICS, "wid": {"S": WORKER}})
    else:
        others = (
            ("LEADER", {**LEADER, "leaseKey": {"S": "Leader"}}),
            ("CLIENT_VERSION_MIGRATION", {**MIGRATION, "leaseKey": {"S": "Migration3.0"}}),
            ("WORKER_METRIC_STATS", {**STATISTICS, "leaseKey": {"S": WORKER}}),
        )
        typed = [("LEASE", leases[0]), *others]
        # One that was there before the move to one table has no type.
        stage.make_table("", "leaseKey", leases[1], *({**item, "entityType": {"S": kind}} for kind, item in typed))

    assert read_leases(stage.dynamodb, stage.stack.application) == Leases(
        leases={
            "shardId-000000000000": Lease(shard_id="shardId-000000000000", owner=WORKER, counter=7, checkpoint="495"),
            "shardId-000000000001": Lease(
                shard_id="shardId-000000000001", owner="", counter=0, checkpoint="TRIM_HORIZON"
            ),
        },
        leader=WORKER,
        workers={WORKER: 1795479692},
    )


def test_behind_is_the_age_of_the_first_record_that_is_left(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a shard read to its end and one that isn't, the second is behind by its record's age, and moves."""
    numbers = stage.put(20)
    first, second = sorted(numbers)
    stage.make_table("", "leaseKey", lease_item(0), lease_item(1, checkpoint={"S": numbers[second][-1]}))
    stage.make_table("-CoordinatorState", "key", {**LEADER, "key": {"S": "Leader"}})
    put_at = time.time()

    def renew(_: float) -> None:
        stage.renew(0, checkpoint=numbers[first][0])
        stage.renew(1)

    with opened(Choice(), os.environ, Path.cwd()) as target:
        assert show_lag(target, Screen(as_json=True), seconds=10, pause=renew)

    shards = json.loads(capsys.readouterr().out)["shards"]
    assert [shard["state"] for shard in shards] == ["moving", "idle"]
    assert shards[1]["behind_ms"] == 0
    assert 0 < shards[0]["behind_ms"] <= (time.time() - put_at + 30) * 1000
    # Of the last record of one, and of the first of the other.
    arrived = {
        record["SequenceNumber"]: record["ApproximateArrivalTimestamp"].timestamp() * 1000
        for record in stage.records(first) + stage.records(second)
    }
    assert [shard["resolved_until_ms"] for shard in shards] == [
        round(arrived[number]) for number in (numbers[first][0], numbers[second][-1])
    ]


def test_what_is_wrong_is_named_and_told_by_the_exit_code(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a dead worker, a split whose children have no lease yet, and a lease of no shard, each is named."""
    stage.make_table("", "leaseKey", lease_item(0), lease_item(1), lease_item(9))
    stage.make_table("-CoordinatorState", "key", {**LEADER, "key": {"S": "Leader"}})
    stage.kinesis.split_shard(
        StreamName=stage.stack.stream, ShardToSplit="shardId-000000000000", NewStartingHashKey="100"
    )
    deadline = time.monotonic() + 30
    while len(stage.kinesis.list_shards(StreamName=stage.stack.stream)["Shards"]) < 4:
        assert time.monotonic() < deadline

    with opened(Choice(), os.environ, Path.cwd()) as target:
        assert not show_lag(target, Screen(as_json=True), seconds=10, pause=lambda _: stage.renew(1))

    report = json.loads(capsys.readouterr().out)
    assert {shard["shard"][-1]: shard["state"] for shard in report["shards"]} == {
        "0": "abandoned",
        "1": "idle",
        "2": "waits for shardId-000000000000",
        "3": "waits for shardId-000000000000",
        "9": "orphan",
    }
    assert [fault[:20] for fault in report["problems"]] == ["shardId-000000000000", "shardId-000000000009"]
    assert report["problems"][0].endswith("Its children wait for it: shardId-000000000002, shardId-000000000003")


def test_a_dead_leader_is_named(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a leader that died long ago, and another worker that renews its leases, the leader is named."""
    stage.make_table("", "leaseKey", *(lease_item(shard, leaseOwner={"S": "vm:other"}) for shard in (0, 1)))
    stage.make_table("-CoordinatorState", "key", {**LEADER, "key": {"S": "Leader"}})
    stage.make_table("-WorkerMetricStats", "wid", {**STATISTICS, "wid": {"S": WORKER}})

    def renew(_: float) -> None:
        stage.renew(0)
        stage.renew(1)

    with opened(Choice(), os.environ, Path.cwd()) as target:
        assert not show_lag(target, Screen(as_json=False), seconds=10, pause=renew)
    assert f"the leader {WORKER} is silent for " in capsys.readouterr().err


def test_without_a_consumer_it_says_so(stage: Stage) -> None:
    """Given no lease table, exit code 3: nothing can be said."""
    outcome = run("lag")
    assert outcome.code == 3
    assert "no consumer has run yet" in outcome.all


def test_the_local_mapping_is_judged_by_its_positions(stage: Stage, work_dir: Path) -> None:
    """Given the Lambda consumer, a shard is behind by the first record after its position."""
    numbers = stage.put(20)
    first, second = sorted(numbers)
    positions = Positions(work_dir / POSITIONS_FILE)
    positions.set(first, numbers[first][-1])
    positions.save()
    values = {name: getattr(stage.stack, name) for name in stage.stack.__struct_fields__}
    stack = RunningStack(**{**values, "consumer": "lambda", "positions": str(work_dir / POSITIONS_FILE)})
    with announced(stack, work_dir):
        outcome = run("lag", "--json")

    assert outcome.code == 0, outcome.all
    shards = json.loads(outcome.out)["shards"]
    assert [shard["state"] for shard in shards] == ["idle", "running"]
    assert shards[1]["shard"] == second
    assert shards[1]["checkpoint"] == "TRIM_HORIZON"
    assert [shard["resolved_until_ms"] is None for shard in shards] == [False, True]


@pytest.mark.parametrize(("disabled", "state", "code"), [(True, "paused", 0), (False, "idle", 1)])
def test_a_pause_that_the_local_mapping_does_not_keep_is_wrong(
    stage: Stage, work_dir: Path, disabled: bool, state: str, code: int
) -> None:
    """Given a pause, and a local mapping that is enabled all the same, then lag finds that wrong."""
    off = work_dir / f"{POSITIONS_FILE}.disabled"
    values = {name: getattr(stage.stack, name) for name in stage.stack.__struct_fields__}
    local = {"consumer": "lambda", "positions": str(work_dir / POSITIONS_FILE), "mapping_disabled": str(off)}
    with announced(RunningStack(**{**values, **local}), work_dir):
        assert run("pause").code == 0
        if not disabled:
            off.unlink()
        outcome = run("lag", "--json")

    assert outcome.code == code, outcome.all
    report = json.loads(outcome.out)
    assert (report["paused"], {shard["state"] for shard in report["shards"]}) == (True, {state})
    assert len(report["problems"]) == (0 if disabled else 2)


def test_what_it_says_is_kept(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, compare: Callable[[str, str], None]
) -> None:
    """Given no consumer, one that is well, one whose shard or leader was left, and a pause, it says what it did."""

    def looked(*words: str, renewed: Sequence[int] = ()) -> str:
        def renew() -> None:
            for shard in renewed:
                stage.renew(shard)

        meanwhile(renew, monkeypatch)
        return transcript("lag", *words, requests=stage.stack.table, shop=stage.stack.application)

    transcripts = [looked()]
    numbers = stage.put(20)
    leases = (lease_item(shard, checkpoint={"S": numbers[f"shardId-{shard:012}"][-1]}) for shard in (0, 1))
    stage.make_table("", "leaseKey", *leases)
    stage.make_table("-CoordinatorState", "key", {**LEADER, "key": {"S": "Leader"}})
    transcripts += [looked(renewed=(0, 1)), looked("--json", renewed=(0, 1)), looked(renewed=(0,))]

    silent = {**STATISTICS, "wid": {"S": DEAD}, "lut": {"N": str(int(time.time()) - 600)}}
    stage.make_table("-WorkerMetricStats", "wid", silent)
    coordination = f"{stage.stack.application}-CoordinatorState"
    stage.dynamodb.put_item(TableName=coordination, Item={**LEADER, "key": {"S": "Leader"}, "ownerName": {"S": DEAD}})
    transcripts.append(looked(renewed=(0, 1)))
    stage.dynamodb.delete_item(TableName=coordination, Key={"key": {"S": "Leader"}})
    transcripts.append(looked(renewed=(0, 1)))

    assert run("pause", "--reason", "the kitchen is closed").code == 0
    transcripts.append(looked())
    compare("lag", "\n".join(transcripts))

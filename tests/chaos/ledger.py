"""The ledger: what was accepted, against the table, against its change feed, against the runs of the handler."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from dropslot.core import names
from dropslot.core.policy import KILLED_ITS_WORKER, MAX_STARTS
from tests.chaos.workload import Task

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

Event = Mapping[str, Any]
_PAGE: Final = 1000
_SHOWN: Final = 5


@dataclass(slots=True, kw_only=True)
class Ledger:
    """What the books say. `faults` is empty when they agree.

    Args:
        requests: how many were accepted.
        lost: accepted, but gone or unsettled.
        wrong: settled, but not as expected.
        blamed: failed as killers by the rule of deaths, though others killed the process that often.
        double_outcomes: outcome writes beyond the first of an (id, attempt).
        redrives: writes that raised an attempt.
        runs: how often a handler was run, per accepted request.
        starts: writes that counted a suspect's start.
        faults: everything that may not be, in words.
    """

    requests: int = 0
    lost: int = 0
    wrong: int = 0
    blamed: int = 0
    double_outcomes: int = 0
    redrives: int = 0
    starts: int = 0
    runs: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def runs_per_request(self) -> float:
        """Handler runs divided by requests."""
        return sum(runs * count for runs, count in self.runs.items()) / max(1, self.requests)

    @property
    def most_runs(self) -> int:
        """Most handler runs of one request."""
        return max(self.runs, default=0)

    def assert_clean(self) -> None:
        """Raise AssertionError with the first few faults, if there are any."""
        assert not self.faults, f"{len(self.faults)} faults: " + "; ".join(self.faults[:_SHOWN])


def audit(
    *,
    accepted: Mapping[str, Task],
    offered: Mapping[str, Task],
    items: Iterable[Event],
    feed: Iterable[Event],
    runs: Mapping[str, list[int]],
    least_deaths: int = MAX_STARTS,
) -> Ledger:
    """Compare all books.

    Args:
        accepted: requests that got a clear yes, by item id.
        offered: those and any whose answer was lost on the way: they may be there, and then count like the others.
        items: the table, item by item.
        feed: its change feed from the beginning to the end, in order.
        runs: the attempts under which each item's handler was run.
        least_deaths: how often a process must have died of a request, as far as it can know, to blame it.
    """
    table = {item[names.ID]["S"]: item for item in items}
    ledger = Ledger(requests=len(accepted))
    for request_id, task in accepted.items():
        _check_item(ledger, task, table.get(request_id), rightly_blamed=len(runs.get(request_id, ())) >= least_deaths)
    for request_id, item in table.items():
        if request_id not in offered:
            ledger.faults.append(f"{request_id}: nobody sent it")
        elif names.REQUEST not in item:
            ledger.faults.append(f"{request_id}: a ghost without a body")
    _check_feed(ledger, feed, set(table))
    ledger.runs = Counter(len(runs.get(request_id, ())) for request_id in accepted)
    for request_id in runs.keys() - offered.keys():
        ledger.faults.append(f"{request_id}: run, but nobody sent it")
    return ledger


def _check_item(ledger: Ledger, task: Task, item: Event | None, *, rightly_blamed: bool) -> None:
    if item is None:
        ledger.lost += 1
        ledger.faults.append(f"{task.item_id}: accepted and gone")
        return
    status = item[names.STATUS]["S"].rpartition("-")[0]
    if status not in {names.DONE, names.FAILED}:
        ledger.lost += 1
        ledger.faults.append(f"{task.item_id}: still {status}")
        return
    error = item.get(names.ERROR, {}).get("S", "")
    shape = (names.TTL in item, names.ERROR in item)
    right = shape == ((True, False) if status == names.DONE else (False, True))
    # A done item has no queue, until the client sends its request again: then it is in one that nobody sweeps.
    right = right and item.get(names.QUEUE, item[names.STATUS] if status == names.DONE else None) == item[names.STATUS]
    if right and error == KILLED_ITS_WORKER and task.error != error and rightly_blamed:
        ledger.blamed += 1
    elif status != task.status or task.error not in error or not right:
        ledger.wrong += 1
        ledger.faults.append(f"{task.item_id}: {status} with {error!r} instead of {task.status} with {task.error!r}")
    if json.loads(item[names.REQUEST]["S"]) != json.loads(task.body):
        ledger.faults.append(f"{task.item_id}: its body was changed")


def _check_feed(ledger: Ledger, feed: Iterable[Event], expected: set[str]) -> None:
    inserts: Counter[str] = Counter()
    outcomes: Counter[tuple[str, int]] = Counter()
    for event in feed:
        request_id = event["dynamodb"]["Keys"][names.ID]["S"]
        if event["eventName"] == "INSERT":
            inserts[request_id] += 1
        elif event["eventName"] == "REMOVE":
            ledger.faults.append(f"{request_id}: deleted")
        elif (settled := _check_change(ledger, request_id, event["dynamodb"])) is not None:
            outcomes[request_id, settled] += 1
    for request_id in expected:
        if inserts[request_id] != 1:
            ledger.faults.append(f"{request_id}: {inserts[request_id]} INSERTs")
    for (request_id, attempt), count in outcomes.items():
        if count > 1:
            ledger.double_outcomes += count - 1
            ledger.faults.append(f"{request_id}: {count} outcomes at attempt {attempt}")


def _check_change(ledger: Ledger, request_id: str, change: Event) -> int | None:
    """Enter a change of an item; return the attempt that it settled, None if it settled none."""
    old, new = change["OldImage"], change["NewImage"]
    before, after = _number(old, names.ATTEMPT), _number(new, names.ATTEMPT)
    if after < before:
        ledger.faults.append(f"{request_id}: attempt fell from {before} to {after}")
    ledger.redrives += after > before
    ledger.starts += _number(new, names.STARTS) > _number(old, names.STARTS)
    if _outcome(new) == _outcome(old):
        return None
    if _outcome(old) is not None:
        ledger.faults.append(f"{request_id}: its outcome was replaced")
    return after


def _outcome(image: Event) -> tuple[str, str] | None:
    for name, kind in ((names.TTL, "N"), (names.ERROR, "S")):
        if name in image:
            return name, image[name][kind]
    return None


def _number(image: Event, name: str) -> int:
    return int(image[name]["N"]) if name in image else 0


def read_table(client: "DynamoDBClient", table: str) -> Iterator[Event]:
    """Read every item, as it is now."""
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield from page["Items"]


def read_feed(dynamodb: "DynamoDBClient", streams: "DynamoDBStreamsClient", table: str) -> Iterator[Event]:
    """Read the table's change feed from its beginning to where it ends now; an item's changes in their order."""
    arn = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    arguments: dict[str, Any] = {"StreamArn": arn}
    while True:
        description = streams.describe_stream(**arguments)["StreamDescription"]
        for shard in description["Shards"]:
            yield from _read_shard(streams, arn, shard["ShardId"])
        last = description.get("LastEvaluatedShardId")
        if last is None:
            return
        arguments["ExclusiveStartShardId"] = last


def _read_shard(streams: "DynamoDBStreamsClient", arn: str, shard_id: str) -> Iterator[Event]:
    iterator: str | None = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    while iterator is not None:
        try:
            answer = streams.get_records(ShardIterator=iterator, Limit=_PAGE)
        except ClientError as error:
            # A shard of before a restart whose records are gone ends like an empty one; the INSERT count would tell.
            if error.response["Error"]["Code"] != "TrimmedDataAccessException":
                raise
            return
        yield from answer["Records"]
        iterator = answer.get("NextShardIterator") if answer["Records"] else None

"""What `dropslot lag` says of shards that were split, merged or lost, as no emulator loses them: asked as on AWS."""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest

from tests.integration.operate.aws import STACK, Account, Answer
from tests.integration.operate.leases import LEADER, lease_item, meanwhile, transcript

OLD: Final = "49680510148520000000000000000000000000000000000000000001"
NEW: Final = "49680510148520000000000000000000000000000000000000000002"


def shard(number: int, *parents: int, closed: bool = False) -> dict[str, Any]:
    """Return a shard as Kinesis lists it."""
    names = dict(zip(("ParentShardId", "AdjacentParentShardId"), map(_id, parents), strict=False))
    return {
        "ShardId": _id(number),
        "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "340282366920938463463374607431768211455"},
        "SequenceNumberRange": {"StartingSequenceNumber": OLD, **({"EndingSequenceNumber": NEW} if closed else {})},
        **names,
    }


def lease(number: int, checkpoint: str, *, counter: int = 7) -> dict[str, Any]:
    """Return a lease."""
    return lease_item(number, checkpoint={"S": checkpoint}, leaseCounter={"N": str(counter)})


class Resharded(Account):
    """A stack on containers, whose stream has a history.

    Args:
        shards: of the stream.
        leases: at the first look.
        behind: shards of which a record is left that arrived five minutes ago.
    """

    def __init__(
        self, shards: Sequence[dict[str, Any]], leases: Sequence[dict[str, Any]], *, behind: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.shards = shards
        self.leases = leases
        self.behind = {_id(number) for number in behind}

    def answer(self, action: str, resource: str, arguments: Mapping[str, Any], call: Callable[..., Answer]) -> Answer:
        """See `Account.answer`."""
        return super().answer(action, resource, arguments, _CALLS.get(action, call))


def _scan(account: Resharded, arguments: Mapping[str, Any]) -> Answer:
    tables = {STACK: account.leases, f"{STACK}-CoordinatorState": [{**LEADER, "key": {"S": "Leader"}}]}
    found = tables.get(arguments["TableName"], [])
    return 200, {"Items": found, "Count": len(found)}


def _get_records(account: Resharded, arguments: Mapping[str, Any]) -> Answer:
    left = {
        "SequenceNumber": NEW,
        "ApproximateArrivalTimestamp": time.time() - 312,
        "Data": base64.b64encode(b"x").decode(),
        "PartitionKey": "any",
    }
    found = [left] if arguments["ShardIterator"] in account.behind else []
    return 200, {"Records": found, "MillisBehindLatest": 0}


_CALLS: Final[Mapping[str, Callable[..., Answer]]] = {
    "dynamodb:Scan": _scan,
    "kinesis:ListShards": lambda account, _: (200, {"Shards": account.shards}),
    "kinesis:GetShardIterator": lambda _, asked: (200, {"ShardIterator": asked["ShardId"]}),
    "kinesis:GetRecords": _get_records,
}


def _id(number: int) -> str:
    return f"shardId-{number:012}"


#: Shards, leases at the first look, at the second, and what is behind.
HISTORIES: Final = {
    "a split shard is stuck": (
        (shard(0, closed=True), shard(1), shard(2, 0), shard(3, 0)),
        (lease(0, OLD), lease(1, NEW)),
        (lease(0, OLD, counter=10), lease(1, NEW, counter=10)),
        (0,),
    ),
    "one of two merged shards is through": (
        (shard(0, closed=True), shard(1, closed=True), shard(2, 0, 1)),
        (lease(0, "SHARD_END"), lease(1, OLD), lease(2, "TRIM_HORIZON")),
        (lease(0, "SHARD_END"), lease(1, NEW, counter=10), lease(2, "TRIM_HORIZON", counter=10)),
        (1, 2),
    ),
    "the stream has lost a parent": (
        (shard(1), shard(2, 0), shard(3, 0)),
        (lease(0, OLD), lease(1, NEW), lease(2, "TRIM_HORIZON")),
        (lease(0, OLD), lease(1, NEW, counter=10), lease(2, "TRIM_HORIZON", counter=10)),
        (2,),
    ),
}


def test_what_it_says_of_parents_and_children_is_kept(
    on_aws: pytest.MonkeyPatch, compare: Callable[[str, str], None]
) -> None:
    """Given a child that waits, it isn't called stuck: its parent is named, and what keeps that, if it is wrong."""
    transcripts = []
    for name, (shards, first, second, behind) in HISTORIES.items():
        account = Resharded(shards, first, behind=behind)

        def renew(account: Resharded = account, second: Sequence[dict[str, Any]] = second) -> None:
            account.leases = second

        meanwhile(renew, on_aws)
        with account.running():
            on_aws.setenv("AWS_ENDPOINT_URL", account.url)
            transcripts.append(f"# {name}\n{transcript('lag', '--stack', STACK)}")
    compare("lag-shards", "\n".join(transcripts))

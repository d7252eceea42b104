"""What KCL's tables say: leases, the leader and the workers, in three tables (KCL 3.0 to 3.4) or in one (3.5)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.adapters.requests.rows import Item
from dropslot.operate.trouble import explain

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: Checkpoints that are no sequence number.
TRIM_HORIZON: Final = "TRIM_HORIZON"
LATEST: Final = "LATEST"
SHARD_END: Final = "SHARD_END"

#: In one table each item has this; of three tables, none has.
_ENTITY: Final = "entityType"
_LEASE: Final = "LEASE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One shard's lease.

    Args:
        shard_id: the shard.
        owner: the worker that has it; "" for nobody.
        counter: grows each time the owner renews it, every few seconds.
        checkpoint: the sequence number up to which all is resolved, or one of the words above.
    """

    shard_id: str
    owner: str
    counter: int
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """What all tables said at one moment.

    Args:
        leases: by shard.
        leader: the worker that assigns leases; "" for none.
        workers: when each worker last told that it lives, in epoch seconds.
    """

    leases: Mapping[str, Lease]
    leader: str
    workers: Mapping[str, int]


def read_leases(client: "DynamoDBClient", application: str) -> Leases | None:
    """Read what KCL keeps for an application; None if it has no lease table.

    Args:
        client: of DynamoDB.
        application: its name, which its tables' names begin with.

    Raises:
        OutOfReachError: a table can't be asked.
    """
    rows = _scan(client, application)
    if rows is None:
        return None
    leases = [_lease(row) for row in rows if _is_lease(row)]
    others = [row for row in rows if not _is_lease(row)]
    for companion in ("CoordinatorState", "WorkerMetricStats"):
        others += _scan(client, f"{application}-{companion}") or []
    # The lock's own attribute names, and those of the workers' statistics: the same wherever they are kept.
    leaders = [row["ownerName"]["S"] for row in others if "ownerName" in row and "recordVersionNumber" in row]
    return Leases(
        leases={lease.shard_id: lease for lease in leases},
        leader=leaders[0] if leaders else "",
        workers={_worker(row): int(row["lut"]["N"]) for row in others if "lut" in row},
    )


def _is_lease(row: Item) -> bool:
    return "leaseKey" in row and row.get(_ENTITY, {"S": _LEASE})["S"] == _LEASE


def _lease(row: Item) -> Lease:
    return Lease(
        shard_id=row["leaseKey"]["S"],
        owner=row.get("leaseOwner", {}).get("S", ""),
        counter=int(row.get("leaseCounter", {}).get("N", "0")),
        checkpoint=row.get("checkpoint", {}).get("S", TRIM_HORIZON),
    )


def _worker(row: Item) -> str:
    name: str = row["wid" if "wid" in row else "leaseKey"]["S"]
    return name


def _scan(client: "DynamoDBClient", table: str) -> list[Item] | None:
    """Read a whole table, strongly consistent; None if there is none."""
    try:
        return list(_pages(client, table))
    except client.exceptions.ResourceNotFoundException:
        return None
    except (ClientError, BotoCoreError) as error:
        raise explain(error, service="DynamoDB", where=f"table {table}") from error


def _pages(client: "DynamoDBClient", table: str) -> Iterator[Item]:
    arguments: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
    while True:
        answer = client.scan(**arguments)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

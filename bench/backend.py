"""What all measured ways talk to: a DynamoDB Local with the table of requests, and what was accepted into it."""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dropslot.core import names
from dropslot.local.clients import REGION, dynamodb_client
from dropslot.local.mapping.event import ShardRecord, event_of
from dropslot.local.relay.record import change_record
from dropslot.local.servers import running_dynamodb
from dropslot.local.tables import ensure_journal, ensure_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE: Final = "requests"
#: As `Settings` has it, too.
JOURNAL: Final = "journal"
BODY: Final = json.dumps({"restaurant": "Da Enzo", "items": [{"dish": "funghi", "quantity": 2}]})
_STREAM_ARN: Final = f"arn:aws:kinesis:{REGION}:000000000000:stream/requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A request on the table, and the change record that says so.

    Args:
        id: key of its item.
        data: of the change record.
    """

    id: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A running DynamoDB Local with empty tables of requests and of journals.

    Args:
        endpoint: its URL.
        client: speaks to it.
    """

    endpoint: str
    client: "DynamoDBClient"

    def accept(self, batch: str, count: int) -> list[Accepted]:
        """Put fresh requests on the table.

        Args:
            batch: part of their ids, another for each call.
            count: how many.
        """
        now_ms = time.time_ns() // 1_000_000
        accepted = []
        items: list[dict[str, Any]] = []
        for number in range(count):
            item: dict[str, Any] = {
                names.ID: {"S": f"-#orders#{batch}-{number}"},
                names.REQUEST: {"S": BODY},
                names.TYPE: {"S": "orders"},
                names.CONTENT_TYPE: {"S": "application/json"},
                names.HEADERS: {"M": {}},
                names.ACCEPTED_AT: {"N": str(now_ms)},
                names.ATTEMPT: {"N": "0"},
                names.TRIES: {"N": "0"},
                names.STATUS: {"S": "pending-a"},
                names.QUEUE: {"S": "pending-a"},
                names.DUE_AT: {"N": str(now_ms)},
            }
            items.append(item)
            change = {
                "eventID": f"{batch}-{number}",
                "eventName": "INSERT",
                "dynamodb": {"Keys": {names.ID: item[names.ID]}, "NewImage": item, "SizeBytes": 300},
            }
            data = change_record(change, table=TABLE, region=REGION, created_epoch_us=now_ms * 1000)
            accepted.append(Accepted(id=f"-#orders#{batch}-{number}", data=data))
        for start in range(0, count, 25):
            puts: list[Any] = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
            self.client.batch_write_item(RequestItems={TABLE: puts})
        return accepted

    def results(self, accepted: Sequence[Accepted]) -> list[Any]:
        """Return what handlers have returned, of those of the requests that are done; in no order."""
        found = []
        for start in range(0, len(accepted), 100):
            keys = [{names.ID: {"S": request.id}} for request in accepted[start : start + 100]]
            answer = self.client.batch_get_item(RequestItems={TABLE: {"Keys": keys, "ConsistentRead": True}})
            found += [json.loads(item[names.RESULT]["S"]) for item in answer["Responses"][TABLE] if names.TTL in item]
        return found

    def unwritten(self, accepted: Sequence[Accepted]) -> int:
        """Count those of the requests that have no outcome."""
        done = 0
        for start in range(0, len(accepted), 100):
            keys = [{names.ID: {"S": request.id}} for request in accepted[start : start + 100]]
            answer = self.client.batch_get_item(RequestItems={TABLE: {"Keys": keys, "ConsistentRead": True}})
            done += sum(names.TTL in item for item in answer["Responses"][TABLE])
        return len(accepted) - done


@contextmanager
def running_backend() -> Iterator[Backend]:
    """Run a DynamoDB Local for a `with` block."""
    with (
        tempfile.TemporaryDirectory() as logs,
        running_dynamodb(Path(logs), environment=os.environ) as endpoint,
        closing(dynamodb_client(endpoint)) as client,
    ):
        ensure_table(client, TABLE)
        ensure_journal(client, JOURNAL)
        yield Backend(endpoint=endpoint, client=client)


def lambda_event(accepted: Sequence[Accepted], *, arrived_epoch_seconds: float) -> bytes:
    """Return the event, as JSON, that hands the records of requests to a function.

    Args:
        accepted: the requests.
        arrived_epoch_seconds: when the stream took their records.
    """
    return event_of(
        [
            ShardRecord.of(
                shard_id="shardId-000000000000",
                stream_arn=_STREAM_ARN,
                sequence_number=str(number),
                partition_key=request.id,
                data=request.data,
                arrived_epoch_seconds=arrived_epoch_seconds,
            )
            for number, request in enumerate(accepted)
        ]
    )

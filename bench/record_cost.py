"""Client CPU per record, from the record's bytes to the confirmed write, beside two ways to write it by hand.

Run `make bench`. All three do the same work on the same DynamoDB Local, in turns within one run: decode a change
record and its body, do nothing with it, write `ttl` conditionally. Ratios hold across machines; absolute figures don't.
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from dropslot import Request
from dropslot.adapters.clock import SystemClock
from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.requests.dynamodb import DynamoDBRequests
from dropslot.core import names
from dropslot.engine.backoff import Backoff
from dropslot.engine.options import ShardOptions
from dropslot.engine.runners import InlineRunner
from dropslot.engine.shard import Shard
from dropslot.engine.stream_record import StreamRecord
from dropslot.local.clients import dynamodb_client
from dropslot.local.relay.record import change_record
from dropslot.local.servers import running_dynamodb
from dropslot.local.tables import ensure_table

TABLE = "requests"
RECORDS = 1_000
ROUNDS = 7
REGION = "us-east-1"


@dataclass(frozen=True)
class Figure:
    """Microseconds per record of one round."""

    cpu_us: float
    wall_us: float


def handle(request: Request) -> None:
    """Read the body and do nothing with it, so that only the framework's cost shows."""
    request.json()


def make_batch(client: Any, batch: int) -> list[StreamRecord]:
    """Put fresh requests on the table and return their change records."""
    now_ms = time.time_ns() // 1_000_000
    records = []
    items = []
    for number in range(RECORDS):
        item = {
            names.ID: {"S": f"-#orders#{batch}-{number}"},
            names.REQUEST: {"S": json.dumps({"restaurant": "Da Enzo", "items": [{"dish": "funghi", "quantity": 2}]})},
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
        event = {
            "eventID": f"{batch}-{number}",
            "eventName": "INSERT",
            "dynamodb": {"Keys": {names.ID: item[names.ID]}, "NewImage": item, "SizeBytes": 300},
        }
        data = change_record(event, table=TABLE, region=REGION, created_epoch_us=now_ms * 1000)
        records.append(StreamRecord(sequence_number=str(number), data=data, arrived_epoch_seconds=time.time() + 3600))
    for start in range(0, RECORDS, 25):
        puts = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
        client.batch_write_item(RequestItems={TABLE: puts})
    return records


def dropslot(client: Any, records: list[StreamRecord]) -> None:
    """Process the records as a shard process does, with an inline handler."""

    async def run() -> None:
        requests = DynamoDBRequests(client, TABLE)
        shard = Shard(
            requests=requests,
            runners={"*": InlineRunner(handle)},
            clock=SystemClock(),
            counters=MemoryCounters(),
            backoff=Backoff(),
            options=ShardOptions(table=TABLE, fresh_ms=3_600_000),
        )
        await shard.submit(records)
        await shard.drain()
        assert shard.position == records[-1].sequence_number
        shard.close()

    asyncio.run(run())


def update_each(client: Any, records: list[StreamRecord]) -> None:
    """Write each record by one conditional update_item, as most samples do."""
    for record in records:
        image = json.loads(record.data)["dynamodb"]["NewImage"]
        json.loads(image["request"]["S"])
        client.update_item(
            TableName=TABLE,
            Key={"id": image["id"]},
            UpdateExpression="SET #ttl = :ttl, #status = :done, due_at = :now REMOVE queue",
            ConditionExpression=(
                "attribute_exists(#request) AND accepted_at = :at AND attribute_not_exists(#ttl) "
                "AND attribute_not_exists(#error)"
            ),
            ExpressionAttributeNames={"#request": "request", "#ttl": "ttl", "#status": "status", "#error": "error"},
            ExpressionAttributeValues={
                ":ttl": {"N": str(int(time.time()) + 86_400)},
                ":done": {"S": "done-a"},
                ":now": {"N": str(time.time_ns() // 1_000_000)},
                ":at": image["accepted_at"],
            },
        )


def update_batched(client: Any, records: list[StreamRecord]) -> None:
    """Write the same statements as Dropslot, 25 a call, with nothing around it: the floor for boto3."""
    statement = (
        'UPDATE "requests" SET "status" = ? SET "due_at" = ? SET "ttl" = ? REMOVE "queue" WHERE "id" = ? '
        'AND "request" IS NOT MISSING AND "accepted_at" = ? AND "ttl" IS MISSING AND "error" IS MISSING '
        'AND ("floor" IS MISSING OR "floor" <= ?)'
    )
    for start in range(0, len(records), 25):
        statements = []
        for record in records[start : start + 25]:
            image = json.loads(record.data)["dynamodb"]["NewImage"]
            json.loads(image["request"]["S"])
            parameters = [
                {"S": "done-a"},
                {"N": str(time.time_ns() // 1_000_000)},
                {"N": str(int(time.time()) + 86_400)},
                image["id"],
                image["accepted_at"],
                image["attempt"],
            ]
            statements.append({"Statement": statement, "Parameters": parameters})
        answer = client.batch_execute_statement(Statements=statements)
        assert not any("Error" in response for response in answer["Responses"])


def measure(run: Callable[[Any, list[StreamRecord]], None], client: Any, records: list[StreamRecord]) -> Figure:
    """Time one round."""
    wall, cpu = time.perf_counter(), time.process_time()
    run(client, records)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Figure(cpu / len(records) * 1e6, wall / len(records) * 1e6)


def main() -> None:
    """Run all rounds and print the medians."""
    console = Console()
    ways: dict[str, Callable[[Any, list[StreamRecord]], None]] = {
        "dropslot, inline handler": dropslot,
        "boto3, the same batches by hand": update_batched,
        "boto3 update_item per record": update_each,
    }
    figures: dict[str, list[Figure]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as logs, running_dynamodb(Path(logs), environment=os.environ) as endpoint:
        client = dynamodb_client(endpoint)
        ensure_table(client, TABLE)
        batch = 0
        for round_number in track(range(ROUNDS + 1), description="rounds", console=console, transient=True):
            for name, run in ways.items():
                figure = measure(run, client, make_batch(client, batch))
                batch += 1
                if round_number > 0:  # the first warms up server and client
                    figures[name].append(figure)
    print_figures(console, figures)


def print_figures(console: Console, figures: dict[str, list[Figure]]) -> None:
    """Print medians, and ratios to the first row."""
    table = Table(title=f"{RECORDS} records a round, {ROUNDS} rounds in turns, medians")
    table.add_column("way")
    for column in ("CPU us/record", "ratio", "wall us/record", "ratio"):
        table.add_column(column, justify="right")
    base = next(iter(figures.values()))
    for name, rounds in figures.items():
        cpu_ratio = statistics.median(a.cpu_us / b.cpu_us for a, b in zip(rounds, base, strict=True))
        wall_ratio = statistics.median(a.wall_us / b.wall_us for a, b in zip(rounds, base, strict=True))
        table.add_row(
            name,
            f"{statistics.median(figure.cpu_us for figure in rounds):.0f}",
            f"{cpu_ratio:.2f}",
            f"{statistics.median(figure.wall_us for figure in rounds):.0f}",
            f"{wall_ratio:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()

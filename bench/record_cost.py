"""Client CPU per record, from the record's bytes to the confirmed write, beside two ways to write it by hand.

Run `python -m bench.record_cost`; bench/README.md says what is counted. All three decode a change record and its
body, do nothing with it, and write `ttl` conditionally.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console
from rich.progress import track

from bench.backend import TABLE, running_backend
from bench.figures import Figure, print_figures
from bench.functions.bench_outcome import settle
from dropslot import Request
from dropslot.adapters.clock import SystemClock
from dropslot.adapters.counters import MemoryCounters
from dropslot.adapters.requests.dynamodb import DynamoDBRequests
from dropslot.adapters.wire.sdk import Boto3Calls
from dropslot.engine.backoff import Backoff
from dropslot.engine.options import ShardOptions
from dropslot.engine.runners import InlineRunner
from dropslot.engine.shard import Shard
from dropslot.engine.stream_record import StreamRecord

RECORDS: Final = 1_000
ROUNDS: Final = 7

BY_HAND: Final = "boto3 update_item per record"


def handle(request: Request) -> None:
    """Read the body and do nothing with it, so that only the framework's cost shows."""
    request.json()


def dropslot(client: Any, records: list[StreamRecord]) -> None:
    """Process the records as a shard process does, with an inline handler."""

    async def run() -> None:
        requests = DynamoDBRequests(Boto3Calls(client, TABLE))
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
        settle(client, image)


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
    """Time one round, in microseconds per record."""
    wall, cpu = time.perf_counter(), time.process_time()
    run(client, records)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Figure(cpu=cpu / len(records) * 1e6, wall=wall / len(records) * 1e6)


def main() -> None:
    """Run all rounds and print the medians."""
    console = Console()
    ways: dict[str, Callable[[Any, list[StreamRecord]], None]] = {
        BY_HAND: update_each,
        "boto3, Dropslot's batches by hand": update_batched,
        "Dropslot, inline handler": dropslot,
    }
    figures: dict[str, list[Figure]] = {name: [] for name in ways}
    with running_backend() as backend:
        for round_number in track(range(ROUNDS + 1), description="rounds", console=console, transient=True):
            for number, (name, run) in enumerate(ways.items()):
                records = [
                    StreamRecord(
                        sequence_number=str(place), data=request.data, arrived_epoch_seconds=time.time() + 3600
                    )
                    for place, request in enumerate(backend.accept(f"{round_number}-{number}", RECORDS))
                ]
                figure = measure(run, backend.client, records)
                if round_number > 0:  # the first warms up server and client
                    figures[name].append(figure)
    title = f"{RECORDS:,} records a round, {ROUNDS} rounds in turns, medians per record"
    print_figures(console, title, "us", figures, base=BY_HAND)


if __name__ == "__main__":
    main()

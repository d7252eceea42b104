"""Lambda as far as its functions see it, over the memory twin: mapping, deliveries, environments that die."""

import asyncio
import base64
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import Item
from dropslot.core.policy import Ending, Returned
from dropslot.core.request import Request
from dropslot.engine.execution import ANY_TYPE
from dropslot.engine.ports import Runner
from dropslot.runtimes.lambda_.environment import Environment
from dropslot.settings import Settings
from tests.unit.core.images import Image, data, image, record
from tests.unit.engine.doubles import FlakyRequests, ScriptedRunner, VirtualClock, settle

SHARD = "shardId-000000000003"


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda says of an invocation."""

    remaining_ms: int

    def get_remaining_time_in_millis(self) -> int:
        """Return what was set."""
        return self.remaining_ms


def settings(**variables: str) -> Settings:
    """Return settings from variables without their prefix."""
    return Settings.from_env({f"DROPSLOT_{name.upper()}": value for name, value in variables.items()})


def event(*records: dict[str, Any]) -> dict[str, Any]:
    """Return the event of a batch."""
    return {"Records": list(records)}


def lambda_record(payload: bytes | str, sequence_number: int, arrived: float, *, shard: str = SHARD) -> dict[str, Any]:
    """Return one record of an event; text stands for data as it is, however broken."""
    coded = payload if isinstance(payload, str) else base64.b64encode(payload).decode()
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "1",
            "sequenceNumber": str(sequence_number),
            "data": coded,
            "approximateArrivalTimestamp": arrived,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{sequence_number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/consumer",
        "awsRegion": "eu-central-1",
        "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/requests",
    }


def returning() -> ScriptedRunner:
    """Return a runner whose handler returns at once."""

    async def script(_: Request) -> Ending:
        return Returned(None)

    return ScriptedRunner(script)


class Stand:
    """A table, its change feed as Lambda's records, and the one environment that serves them."""

    def __init__(self, runner: Runner, **variables: str) -> None:
        self.clock = VirtualClock()
        self.feed: list[dict[str, Any]] = []
        self.table = MemoryRequests(on_change=self._changed)
        self.requests = FlakyRequests(self.table)
        self.runner = runner
        self.left = 0
        self._settings = settings(**variables)
        self._sequence = itertools.count(100)
        self.environment = self.new_environment()

    def new_environment(self) -> Environment:
        """Return an environment that starts now."""
        return Environment(
            settings=self._settings,
            requests=self.requests,
            runners={ANY_TYPE: self.runner},
            clock=self.clock,
            leave=self._leave,
        )

    def accept(self, request_id: str = "caller#one", /, **attributes: str | int | None) -> dict[str, Any]:
        """Put a request into the table; return its record."""
        now_ms = self.clock.now_ms()
        self.table.put(image(request_id, **{"accepted_at": now_ms, "due_at": now_ms, **attributes}))
        return self.feed[-1]

    def raw(self, payload: bytes | str) -> dict[str, Any]:
        """Return a fresh record of this payload."""
        return lambda_record(payload, next(self._sequence), self.clock.now_ms() / 1000)

    def item(self, request_id: str = "caller#one") -> Image:
        """Return an item as it stands."""
        return self.table.items[request_id]

    def status(self, request_id: str = "caller#one") -> str:
        """Return an item's status without its digit."""
        return str(self.item(request_id)["status"]["S"]).partition("-")[0]

    async def invoke(self, *records: dict[str, Any], remaining_seconds: float = 300) -> list[str]:
        """Invoke the function; return the sequence numbers it reports. Time moves on by itself."""
        call = asyncio.create_task(self.environment.handle(event(*records), remaining_ms=remaining_seconds * 1000))
        while not call.done():
            await self.clock.advance(0.2)
        answer = await call
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    async def die(self, *records: dict[str, Any], lasts_seconds: float = 0) -> None:
        """Invoke the function and end its process with all that runs in it; a new one takes its place."""
        before = asyncio.all_tasks()
        call = asyncio.create_task(self.environment.handle(event(*records), remaining_ms=300_000))
        await self.clock.advance(lasts_seconds)
        await settle(300)
        assert not call.done(), "the process was to die in the middle of it"
        for task in asyncio.all_tasks() - before:
            task.cancel()
        await settle()
        self.environment = self.new_environment()

    def _leave(self) -> None:
        self.left += 1

    def _changed(self, old: Item | None, new: Item | None) -> None:
        payload = data(record(new, old, created=self.clock.now_ms() * 1000))
        self.feed.append(self.raw(payload))


def numbers(records: Sequence[dict[str, Any]]) -> list[str]:
    """Return the sequence numbers of records."""
    return [entry["kinesis"]["sequenceNumber"] for entry in records]


def lines(text: str) -> list[dict[str, Any]]:
    """Return log lines."""
    return [json.loads(line) for line in text.splitlines()]

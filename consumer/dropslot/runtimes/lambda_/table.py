"""Tables as the functions reach them: directly where all is as Lambda sets it, else by the SDK."""

from collections.abc import Mapping
from typing import Protocol

from dropslot.adapters.requests.dynamodb import DynamoDBRequests
from dropslot.adapters.wire.calls import Calls
from dropslot.adapters.wire.connections import Connections
from dropslot.engine.ports import PauseSign, Requests, UnfinishedCount
from dropslot.runtimes.lambda_.direct import DirectWay


class Table(Requests, PauseSign, UnfinishedCount, Protocol):
    """All that the functions do with the table of requests."""


def open_table(environment: Mapping[str, str], *, table: str, region: str) -> Table:
    """Return the table of requests; see `open_calls`."""
    return DynamoDBRequests(open_calls(environment, table=table, region=region))


def open_calls(environment: Mapping[str, str], *, table: str, region: str) -> Calls:
    """Return calls of a table, with connections that outlive an invocation.

    Args:
        environment: of the process.
        table: name of the table.
        region: its region.
    """
    way = DirectWay.find(environment, region)
    if way is None:
        # Only here: importing it is what the other way is there to avoid.
        from dropslot.adapters.wire.sdk import Boto3Calls, make_client  # noqa: PLC0415

        return Boto3Calls(make_client(region), table)
    return way.table(table, Connections(way.dynamodb_url))

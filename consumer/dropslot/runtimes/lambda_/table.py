"""The table as the functions reach it: directly where all is as Lambda sets it, else by the SDK."""

from collections.abc import Mapping
from typing import Protocol

from dropslot.adapters.requests.direct import DirectRequests
from dropslot.adapters.wire.connections import Connections
from dropslot.engine.ports import PauseSign, Requests, UnfinishedCount
from dropslot.runtimes.lambda_.direct import DirectWay


class Table(Requests, PauseSign, UnfinishedCount, Protocol):
    """All that the functions do with the table."""


def open_table(environment: Mapping[str, str], *, table: str, region: str) -> Table:
    """Return the table of requests, with connections that outlive an invocation.

    Args:
        environment: of the process.
        table: name of the table.
        region: its region.
    """
    way = DirectWay.find(environment, region)
    if way is None:
        # Only here: importing it is what the other way is there to avoid.
        from dropslot.adapters.requests.dynamodb import DynamoDBRequests, make_client  # noqa: PLC0415

        return DynamoDBRequests(make_client(region), table)
    return DirectRequests(way.table(table, Connections(way.dynamodb_url)))

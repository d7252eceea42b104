"""What a call to AWS needs to be permitted: the rules of AWS's service authorization reference."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from dropslot.core import names

#: A client that speaks CBOR is told not to, so that there is one encoding to read.
_JSON: Final = re.compile(r"application/x-amz-json-1\.[01]")
_STATEMENT: Final = re.compile(
    r'\s*(?P<verb>SELECT|INSERT|UPDATE|DELETE)\b(?:\s+INTO|.*?\bFROM)?\s+"(?P<table>[^"]+)"', re.DOTALL
)
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
_IN_TRANSACTION: Final = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}
#: A message to a connection of a WebSocket API's stage.
_CONNECTION: Final = re.compile(r"/\w+/@connections/[^/]+")
#: What more a table costs to make with these arguments
#: (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html).
_WITH_ARGUMENT: Final = {"Tags": "TagResource", "ResourcePolicy": "PutResourcePolicy"}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Need:
    """One thing that must be permitted.

    Args:
        action: as policies name it.
        resource: what it is done to, by its part in the pipeline: `requests`, `leases/index/...`, `stream`.
        call: the call that needs it, which may have another name than the action.
        item: key of the one item that it is about; "" where no policy asks for it.
    """

    action: str
    resource: str
    call: str
    item: str = ""

    @classmethod
    def from_json(cls, fields: Mapping[str, str]) -> Self:
        """Read what `to_json` made."""
        return cls(**fields)

    def to_json(self) -> dict[str, str]:
        """Return it as JSON has it."""
        fields = {"action": self.action, "resource": self.resource, "call": self.call}
        return fields | ({"item": self.item} if self.item else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What names stand for.

    Args:
        tables: name of a table to its part in the pipeline.
        stream: name of the stream.
    """

    tables: Mapping[str, str]
    stream: str = ""

    @classmethod
    def of_pipeline(cls, *, table: str, stream: str, application: str, connections: str = "connections") -> Self:
        """Name the places of one pipeline; the application's tables are named as KCL names them."""
        return cls(
            tables={
                table: "requests",
                f"{table}-journal": "journal",
                application: "leases",
                f"{application}-CoordinatorState": "coordination",
                f"{application}-WorkerMetricStats": "statistics",
                connections: "connections",
            },
            stream=stream,
        )

    def table(self, name: str, index: str | None = None) -> str:
        """Return a table's or an index's part.

        Raises:
            KeyError: no table of the pipeline has this name.
        """
        return self.tables[name] + (f"/index/{index}" if index else "")


def needs(target: str, content_type: str, body: bytes, places: Places) -> frozenset[Need]:
    """Return what a call needs.

    Args:
        target: its `X-Amz-Target`.
        content_type: of its body.
        body: its body.
        places: what the names in it stand for.

    Raises:
        ValueError: it isn't a call that can be read.
        KeyError: it touches something that has no part in the pipeline.
    """
    service, _, call = target.partition(".")
    if not _JSON.fullmatch(content_type):
        raise ValueError(f"a body of type {content_type!r}")
    arguments = json.loads(body)
    if service.startswith("Kinesis_"):
        return frozenset({Need(action=f"kinesis:{call}", resource=_stream(arguments, places), call=call)})
    if not service.startswith("DynamoDB_"):
        raise ValueError("a service that nobody expected")
    return frozenset(
        Need(action=f"dynamodb:{action}", resource=resource, call=call, item=_item(action, resource, arguments))
        for action, resource in _dynamodb(call, arguments, places)
    )


def push_needs(method: str, path: str) -> frozenset[Need]:
    """Return what a call of a WebSocket API's management needs, which is told by its path.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-control-access-iam.html

    Raises:
        ValueError: it is something else.
    """
    if not _CONNECTION.fullmatch(path):
        raise ValueError(f"{method} of a path that nobody expected")
    return frozenset(
        {Need(action="execute-api:ManageConnections", resource=f"websocket/{method}", call=f"{method} @connections")}
    )


def _item(action: str, resource: str, arguments: Mapping[str, Any]) -> str:
    """Return the key that a policy asks for: that of what is put among requests, and of a pause that is looked for."""
    if (action, resource) == ("PutItem", "requests"):
        return str(arguments["Item"][names.ID]["S"])
    if (action, resource) == ("BatchGetItem", "requests"):
        keys = [key[names.ID]["S"] for wanted in arguments["RequestItems"].values() for key in wanted.get("Keys", ())]
        return names.CONTROL_ID if keys == [names.CONTROL_ID] else ""
    return ""


def _stream(arguments: Mapping[str, Any], places: Places) -> str:
    # What continues an earlier call (an iterator, a token) is of that call's stream.
    name = arguments.get("StreamName") or arguments.get("StreamARN", places.stream).rpartition("/")[2]
    if name != places.stream:
        raise KeyError(name)
    return "stream"


def _dynamodb(call: str, arguments: Mapping[str, Any], places: Places) -> Iterable[tuple[str, str]]:
    match call:
        case "BatchExecuteStatement":
            for each in arguments["Statements"]:
                yield _statement(each["Statement"], places)
        case "ExecuteStatement":
            yield _statement(arguments["Statement"], places)
        case "BatchGetItem" | "BatchWriteItem":
            for name in arguments["RequestItems"]:
                yield call, places.table(name)
        case "TransactWriteItems" | "TransactGetItems":
            parts = [part for item in arguments["TransactItems"] for part in item.items()]
            yield from ((_IN_TRANSACTION[kind], places.table(fields["TableName"])) for kind, fields in parts)
        case _:
            resource = places.table(arguments["TableName"], arguments.get("IndexName"))
            yield call, resource
            yield from ((action, resource) for argument, action in _WITH_ARGUMENT.items() if arguments.get(argument))


def _statement(text: str, places: Places) -> tuple[str, str]:
    """Read a PartiQL statement: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html."""
    found = _STATEMENT.match(text)
    if found is None:
        raise ValueError("a statement that nobody expected")
    return f"PartiQL{found['verb'].capitalize()}", places.table(found["table"])

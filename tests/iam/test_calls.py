"""What calls need, by AWS's rules."""

import json
from typing import Any

import pytest

from tests.iam.calls import Need, Places, needs, push_needs

PLACES = Places.of_pipeline(table="orders-requests", stream="orders-requests", application="orders")
JSON = "application/x-amz-json-1.0"


def permissions(call: str, arguments: dict[str, Any], *, service: str = "DynamoDB_20120810") -> list[tuple[str, str]]:
    """Return action and resource of what a call needs."""
    return sorted(
        (need.action, need.resource)
        for need in needs(f"{service}.{call}", JSON, json.dumps(arguments).encode(), PLACES)
    )


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("UpdateItem", {"TableName": "orders-requests"}, [("dynamodb:UpdateItem", "requests")]),
        ("Scan", {"TableName": "orders"}, [("dynamodb:Scan", "leases")]),
        (
            "Query",
            {"TableName": "orders-requests", "IndexName": "unfinished"},
            [("dynamodb:Query", "requests/index/unfinished")],
        ),
        ("BatchGetItem", {"RequestItems": {"orders-requests": {}}}, [("dynamodb:BatchGetItem", "requests")]),
        ("BatchWriteItem", {"RequestItems": {"connections": []}}, [("dynamodb:BatchWriteItem", "connections")]),
        (
            "BatchExecuteStatement",
            {"Statements": [{"Statement": 'UPDATE "orders-requests" SET a = ? WHERE "id" = ?'}] * 2},
            [("dynamodb:PartiQLUpdate", "requests")],
        ),
        (
            "ExecuteStatement",
            {"Statement": 'SELECT "id" FROM "orders-requests"'},
            [("dynamodb:PartiQLSelect", "requests")],
        ),
        (
            "TransactWriteItems",
            {
                "TransactItems": [
                    {"ConditionCheck": {"TableName": "orders-CoordinatorState"}},
                    {"Put": {"TableName": "orders"}},
                ]
            },
            [("dynamodb:ConditionCheckItem", "coordination"), ("dynamodb:PutItem", "leases")],
        ),
        ("CreateTable", {"TableName": "orders", "Tags": []}, [("dynamodb:CreateTable", "leases")]),
        (
            "CreateTable",
            {"TableName": "orders-WorkerMetricStats", "Tags": [{"Key": "a", "Value": "b"}]},
            [("dynamodb:CreateTable", "statistics"), ("dynamodb:TagResource", "statistics")],
        ),
    ],
)
def test_calls_to_dynamodb(call: str, arguments: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Given a call, then it needs the actions and resources of AWS's reference, whatever its own name."""
    assert permissions(call, arguments) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        {"StreamName": "orders-requests"},
        {"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/orders-requests"},
        {"ShardIterator": "AAAA"},
    ],
)
def test_calls_to_kinesis(arguments: dict[str, Any]) -> None:
    """Given a call by name, by ARN or by iterator, then it needs its action on the stream."""
    assert permissions("GetRecords", arguments, service="Kinesis_20131202") == [("kinesis:GetRecords", "stream")]


@pytest.mark.parametrize(
    ("target", "content_type", "arguments"),
    [
        ("DynamoDB_20120810.GetItem", JSON, {"TableName": "another"}),
        ("Kinesis_20131202.GetRecords", JSON, {"StreamName": "another"}),
        ("Kinesis_20131202.GetRecords", "application/x-amz-cbor-1.1", {}),
        ("DynamoDB_20120810.ExecuteStatement", JSON, {"Statement": "EXISTS(SELECT 1)"}),
        ("Logs_20140328.PutLogEvents", JSON, {}),
    ],
)
def test_what_it_cannot_tell_is_an_error(target: str, content_type: str, arguments: dict[str, Any]) -> None:
    """Given a call that touches something unknown or can't be read, then it isn't passed over."""
    with pytest.raises((KeyError, ValueError)):
        needs(target, content_type, json.dumps(arguments).encode(), PLACES)


def test_a_push_is_told_by_its_path() -> None:
    """Given a message to a connection, then it needs the one action that there is; another path isn't passed over."""
    (need,) = push_needs("POST", "/v1/@connections/L0SM9cOFvHcCIhw%3D")
    assert (need.action, need.resource) == ("execute-api:ManageConnections", "websocket/POST")
    with pytest.raises(ValueError, match="nobody expected"):
        push_needs("POST", "/v1/orders")


@pytest.mark.parametrize(
    ("call", "arguments", "item"),
    [
        ("PutItem", {"TableName": "orders-requests", "Item": {"id": {"S": "@control"}}}, "@control"),
        ("PutItem", {"TableName": "orders-requests", "Item": {"id": {"S": "-#orders#a"}}}, "-#orders#a"),
        ("PutItem", {"TableName": "orders", "Item": {"leaseKey": {"S": "one"}}}, ""),
        ("BatchGetItem", {"RequestItems": {"orders-requests": {"Keys": [{"id": {"S": "@control"}}]}}}, "@control"),
        ("BatchGetItem", {"RequestItems": {"orders-requests": {"Keys": [{"id": {"S": "-#orders#a"}}]}}}, ""),
    ],
)
def test_the_one_item_that_a_policy_asks_for(call: str, arguments: dict[str, Any], item: str) -> None:
    """Given a put into the table of requests, or a look for a pause, then the item's key is part of what it needs."""
    (need,) = needs(f"DynamoDB_20120810.{call}", JSON, json.dumps(arguments).encode(), PLACES)
    assert need.item == item


@pytest.mark.parametrize("item", ["", "@control"])
def test_a_need_survives_its_json(item: str) -> None:
    """Given a need, when it is written and read, then it is the same."""
    need = Need(action="dynamodb:PutItem", resource="requests", call="PutItem", item=item)
    assert Need.from_json(need.to_json()) == need

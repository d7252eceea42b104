"""The tables and the stream, as the template has them."""

from typing import Any

import pytest
from aws_cdk import App, Duration, RemovalPolicy, Stack

from dropslot.core import names
from dropslot_infra.requests import Requests
from tests.infra.synthesis import Template, only_resource_of, resources_of, template_of


def synthesised(*, shards: int | None = 1, removal_policy: RemovalPolicy = RemovalPolicy.RETAIN) -> Template:
    """Synthesise a stack with nothing but this construct."""
    stack = Stack(App(), "alone")
    Requests(
        stack,
        "Requests",
        name="shop",
        shards=shards,
        stream_retention=Duration.hours(48),
        removal_policy=removal_policy,
    )
    return template_of(stack)


@pytest.fixture(scope="module")
def template() -> Template:
    """The template of one that keeps its data."""
    return synthesised()


def table_named(template: Template, name: str) -> dict[str, Any]:
    """Return the properties of a table."""
    (table,) = (t for t in resources_of(template, "AWS::DynamoDB::Table").values() if t["TableName"] == name)
    return table


def test_changes_go_to_the_stream_in_microseconds(template: Template) -> None:
    """Given the table of requests, its changes go to the one stream, stamped in microseconds; the journal's don't."""
    (stream_id,) = resources_of(template, "AWS::Kinesis::Stream")
    assert table_named(template, "shop-requests")["KinesisStreamSpecification"] == {
        "StreamArn": {"Fn::GetAtt": [stream_id, "Arn"]},
        "ApproximateCreationDateTimePrecision": "MICROSECOND",
    }
    assert "KinesisStreamSpecification" not in table_named(template, "shop-journal")


def test_the_index_is_what_the_sweep_queries(template: Template) -> None:
    """Given the sweep, which queries a status by due time, the index has those keys and what a redrive needs."""
    table = table_named(template, "shop-requests")
    (index,) = table["GlobalSecondaryIndexes"]
    assert index == {
        "IndexName": "unfinished",
        "KeySchema": [
            {"AttributeName": "queue", "KeyType": "HASH"},
            {"AttributeName": "due_at", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(names.UNFINISHED_PROJECTION)},
    }
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in table["AttributeDefinitions"]}
    assert types == {"id": "S", "queue": "S", "due_at": "N"}


@pytest.mark.parametrize(("table", "key"), [("shop-requests", ["id"]), ("shop-journal", ["id", "run"])])
def test_a_table_keeps_what_it_was_given(template: Template, table: str, key: list[str]) -> None:
    """Given either table, then it is paid by call, forgets what expired, can be restored and not be deleted."""
    properties = table_named(template, table)
    assert [each["AttributeName"] for each in properties["KeySchema"]] == key
    assert [each["KeyType"] for each in properties["KeySchema"]] == ["HASH", "RANGE"][: len(key)]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["DeletionProtectionEnabled"] is True


def test_all_is_encrypted(template: Template) -> None:
    """Given tables and stream, then the stream uses the account's key and no table turns DynamoDB's own off."""
    stream = only_resource_of(template, "AWS::Kinesis::Stream")
    assert stream["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
    for table in resources_of(template, "AWS::DynamoDB::Table").values():
        # Without a specification DynamoDB encrypts with a key of its own, which costs nothing.
        assert "SSESpecification" not in table or table["SSESpecification"]["SSEEnabled"]


def test_the_stream_has_the_shards_asked_for(template: Template) -> None:
    """Given a number of shards, the stream has them; given none, it is on demand."""
    stream = only_resource_of(template, "AWS::Kinesis::Stream")
    assert (stream["ShardCount"], stream["StreamModeDetails"]["StreamMode"]) == (1, "PROVISIONED")
    assert stream["RetentionPeriodHours"] == 48
    on_demand = only_resource_of(synthesised(shards=None), "AWS::Kinesis::Stream")
    assert on_demand["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"
    assert "ShardCount" not in on_demand


@pytest.mark.parametrize(
    ("removal_policy", "deletion", "protected"),
    [
        (RemovalPolicy.RETAIN, "Retain", True),
        (RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE, "Retain", True),
        (RemovalPolicy.DESTROY, "Delete", False),
    ],
)
def test_data_outlives_the_stack_if_asked(removal_policy: RemovalPolicy, deletion: str, protected: bool) -> None:
    """Given a removal policy, tables and stream follow it, and protection goes with it."""
    template = synthesised(removal_policy=removal_policy)
    policies = {resource["DeletionPolicy"] for resource in template["Resources"].values()}
    assert deletion in policies
    assert policies <= {deletion, "RetainExceptOnCreate"}
    protections = {t["DeletionProtectionEnabled"] for t in resources_of(template, "AWS::DynamoDB::Table").values()}
    assert protections == {protected}

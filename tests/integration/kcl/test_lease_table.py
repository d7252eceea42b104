"""Leases that are there before the daemon."""

import uuid

from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.runtimes.kcl.lease_table import prepare_leases, release_leadership
from dropslot.settings import Settings


def test_new_application_gets_one_lease_per_shard(
    dynamodb_endpoint: str, kinesis_endpoint: str, fresh_stream: str
) -> None:
    """All at the oldest record, all ours; the index is there; a second worker changes nothing."""
    dynamodb, kinesis = dynamodb_client(dynamodb_endpoint), kinesis_client(kinesis_endpoint)
    application = f"app-{uuid.uuid4().hex[:12]}"
    settings = Settings.from_env({"DROPSLOT_APPLICATION": application, "DROPSLOT_STREAM": fresh_stream})
    try:
        assert prepare_leases(settings, worker_id="first", dynamodb=dynamodb, kinesis=kinesis)
        before = dynamodb.scan(TableName=application)["Items"]
        assert len(before) == 2
        assert {item["leaseOwner"]["S"] for item in before} == {"first"}
        assert {item["checkpoint"]["S"] for item in before} == {"TRIM_HORIZON"}
        table = dynamodb.describe_table(TableName=application)["Table"]
        assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["LeaseOwnerToLeaseKeyIndex"]

        assert not prepare_leases(settings, worker_id="second", dynamodb=dynamodb, kinesis=kinesis)
        assert dynamodb.scan(TableName=application)["Items"] == before
    finally:
        dynamodb.close()
        kinesis.close()


def test_half_empty_table_is_left_to_kcl(dynamodb_endpoint: str, kinesis_endpoint: str, fresh_stream: str) -> None:
    """A lease that is missing may have been finished and cleaned up: making it again would run its shard again."""
    dynamodb, kinesis = dynamodb_client(dynamodb_endpoint), kinesis_client(kinesis_endpoint)
    application = f"app-{uuid.uuid4().hex[:12]}"
    settings = Settings.from_env({"DROPSLOT_APPLICATION": application, "DROPSLOT_STREAM": fresh_stream})
    try:
        prepare_leases(settings, worker_id="first", dynamodb=dynamodb, kinesis=kinesis)
        gone = dynamodb.scan(TableName=application)["Items"][0]["leaseKey"]
        dynamodb.delete_item(TableName=application, Key={"leaseKey": gone})
        assert not prepare_leases(settings, worker_id="first", dynamodb=dynamodb, kinesis=kinesis)
        assert dynamodb.scan(TableName=application)["Count"] == 1
    finally:
        dynamodb.close()
        kinesis.close()


def test_what_cannot_be_prepared_is_left_to_kcl(
    dynamodb_endpoint: str, kinesis_endpoint: str, fresh_stream: str
) -> None:
    """No such stream, or an operator's own idea of where to begin."""
    dynamodb, kinesis = dynamodb_client(dynamodb_endpoint), kinesis_client(kinesis_endpoint)
    application = f"app-{uuid.uuid4().hex[:12]}"
    try:
        for variables in (
            {"DROPSLOT_STREAM": "no-such-stream"},
            {"DROPSLOT_STREAM": fresh_stream, "DROPSLOT_KCL_PROPERTIES": "initialPositionInStream=LATEST"},
        ):
            settings = Settings.from_env({"DROPSLOT_APPLICATION": application, **variables})
            assert not prepare_leases(settings, worker_id="first", dynamodb=dynamodb, kinesis=kinesis)
    finally:
        dynamodb.close()
        kinesis.close()


def test_leadership_of_a_killed_daemon_is_given_up(dynamodb_endpoint: str) -> None:
    """Only our own, and its absence is no fault."""
    dynamodb = dynamodb_client(dynamodb_endpoint)
    application = f"app-{uuid.uuid4().hex[:12]}"
    settings = Settings.from_env({"DROPSLOT_APPLICATION": application})
    table = f"{application}-CoordinatorState"
    try:
        assert not release_leadership(settings, worker_id="ours", dynamodb=dynamodb), "no table yet"
        dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        )
        dynamodb.put_item(TableName=table, Item={"key": {"S": "Leader"}, "ownerName": {"S": "theirs"}})
        assert not release_leadership(settings, worker_id="ours", dynamodb=dynamodb)
        assert release_leadership(settings, worker_id="theirs", dynamodb=dynamodb)
        assert dynamodb.scan(TableName=table)["Items"] == []
    finally:
        dynamodb.close()

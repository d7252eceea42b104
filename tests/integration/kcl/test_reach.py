"""What a worker finds out of reach, on real servers."""

import uuid
from contextlib import closing
from pathlib import Path

import pytest

from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.local.ports import free_ports
from dropslot.local.servers import endpoint
from dropslot.local.tables import ensure_table
from dropslot.runtimes.kcl.health import check_health
from dropslot.runtimes.kcl.reach import find_out_of_reach
from dropslot.settings import Settings
from tests.integration.kcl.conftest import Consumer


def test_nothing_is_out_of_reach(dynamodb_endpoint: str, kinesis_endpoint: str, fresh_stream: str) -> None:
    """Given table and stream, then all is well, with a lease table or without: the daemon makes that one."""
    table = f"requests-{uuid.uuid4().hex[:12]}"
    settings = Settings.from_env({"DROPSLOT_TABLE": table, "DROPSLOT_STREAM": fresh_stream})
    with closing(dynamodb_client(dynamodb_endpoint)) as dynamodb, closing(kinesis_client(kinesis_endpoint)) as kinesis:
        ensure_table(dynamodb, table)

        assert find_out_of_reach(settings, dynamodb=dynamodb, kinesis=kinesis) == ""


def test_each_thing_that_is_missing_is_named(dynamodb_endpoint: str, kinesis_endpoint: str) -> None:
    """Given neither table nor stream, then both are told, with the service's own word for it."""
    settings = Settings.from_env({"DROPSLOT_TABLE": "no-table", "DROPSLOT_STREAM": "no-stream"})
    with closing(dynamodb_client(dynamodb_endpoint)) as dynamodb, closing(kinesis_client(kinesis_endpoint)) as kinesis:
        found = find_out_of_reach(settings, dynamodb=dynamodb, kinesis=kinesis)

    assert found == ("table no-table: ResourceNotFoundException; stream no-stream: ResourceNotFoundException")


@pytest.mark.usefixtures("daemon_parts")
def test_a_consumer_that_reaches_nothing_is_unhealthy(tmp_path: Path) -> None:
    """Given servers that aren't there, when a consumer starts, then its health check says what it can't reach."""
    nowhere = endpoint(free_ports(1)[0])
    environment = {"DROPSLOT_STATE_DIR": str(tmp_path / "state")}
    with Consumer(tmp_path, "stream", nowhere, nowhere) as consumer:
        consumer.wait_for(lambda: "EndpointConnectionError" in check_health(environment).reason)

        health = check_health(environment)

    assert not health.healthy
    assert health.reason.startswith(
        "not at work yet: table requests: EndpointConnectionError; lease table stream-app: "
    )
    assert health.reason.endswith("; stream stream: EndpointConnectionError")

"""A stack without a consumer, to replay on."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropslot.local.guard import Guard
from dropslot.local.ports import free_ports
from tests.chaos.proxy import Proxy, running_proxy
from tests.conftest import FreshTable
from tests.integration.operate.replay.stage import Stage, staged


@pytest.fixture
def stage(
    fresh_table: FreshTable, fresh_stream: str, kinesis_endpoint: str, no_aws: None, work_dir: Path
) -> Iterator[Stage]:
    """A running stack without a consumer."""
    with staged(
        dynamodb_endpoint=fresh_table.endpoint,
        kinesis_endpoint=kinesis_endpoint,
        table=fresh_table.name,
        stream=fresh_stream,
        folder=work_dir,
        pid=os.getpid(),
    ) as stage:
        yield stage


@pytest.fixture
def proxied(
    fresh_table: FreshTable, fresh_stream: str, kinesis_endpoint: str, no_aws: None, work_dir: Path
) -> Iterator[tuple[Stage, Proxy]]:
    """A stack whose stream commands reach through a proxy."""
    (port,) = free_ports(1)
    with (
        Guard() as guard,
        running_proxy(port, kinesis_endpoint, environment=os.environ, log=work_dir / "proxy.log", guard=guard) as proxy,
        staged(
            dynamodb_endpoint=fresh_table.endpoint,
            kinesis_endpoint=kinesis_endpoint,
            command_kinesis_endpoint=proxy.url,
            table=fresh_table.name,
            stream=fresh_stream,
            folder=work_dir,
            pid=os.getpid(),
        ) as stage,
    ):
        yield stage, proxy

"""Where the parts of a running stack are, and the file that tells."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class StackInfo:
    """Where a running stack is; the ready file says the same.

    Args:
        url: base URL of the API.
        websocket_url: where clients connect to hear of outcomes; None without feedback.
        dynamodb_endpoint: URL of DynamoDB Local.
        kinesis_endpoint: URL of kinesis-local.
        table: name of the table of requests.
        journal_table: name of the table of finished steps.
        connections_table: name of the table of connections; None without feedback.
        stream: name of the stream.
        application: name of the KCL application.
        region: AWS region that it claims to be in.
        consumer: what runs requests, `KCL` or `LAMBDA`.
        pids: process ids by name.
        logs: folder of the log files.
        state: folder of positions and heartbeats.
        failures: folder of what the Lambda consumer has given up; None under KCL, which gives nothing up.
    """

    url: str
    websocket_url: str | None
    dynamodb_endpoint: str
    kinesis_endpoint: str
    table: str
    journal_table: str
    connections_table: str | None
    stream: str
    application: str
    region: str
    consumer: str
    pids: Mapping[str, int]
    logs: str
    state: str
    failures: str | None

    def write(self, file: Path) -> None:
        """Write a ready file, which appears as a whole."""
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        draft.write_bytes(msgspec.json.encode(self))
        draft.replace(file)

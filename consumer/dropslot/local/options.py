"""What can be chosen about a local stack."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dropslot.local.clients import REGION
from dropslot.local.mapping.options import NOTIFY_OPTIONS, MappingOptions
from dropslot.local.relay.faults import Faults
from dropslot.local.socket.options import SocketOptions

#: The two consumers: the daemon on containers, and functions behind a mapping of the stream.
KCL: Final = "kcl"
LAMBDA: Final = "lambda"

CONSUME: Final = (sys.executable, "-m", "dropslot", "consume")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """The choices; every default is what `dropslot up` does without flags.

    Args:
        persist: folder that keeps tables, stream and positions between runs; None keeps them in memory.
        shards: how many shards the stream gets when it is created.
        handler: as of the setting DROPSLOT_HANDLER; None leaves it to the environment.
        config: the API's configuration file; None takes `dropslot.toml` of the current folder, if there is one.
        auth: what the API and the WebSocket API ask of callers: ``none``, ``iam`` or ``api_key``.
        callers: TOML file with those who may call then (`Callers.load`); None for nobody.
        cors_origin: origin of the pages that may call the API, and connect for feedback; "" for none.
        port: loopback port of the API; None takes a free one.
        ready_file: file that is written once all is up, and removed at the end.
        consumer: what runs requests, `KCL` or `LAMBDA`.
        mapping: of the Lambda consumer.
        feedback: push outcomes to clients over a WebSocket API.
        socket: limits of that API.
        notify: the mapping that pushes.
        reload: have the handlers imported afresh when a file beside them changes.
        consumer_env: further environment variables of the consumer, such as its settings.
        consumer_command: the KCL consumer; it keeps the files of `dropslot consume` in `DROPSLOT_STATE_DIR`.
        faults: what the relay does wrong on purpose.
        expire_every_seconds: pause between two deletions of expired items.
        log_dir: folder of the log files; None is `logs` under `persist`, or `.dropslot/logs` here.
        table: name of the table of requests.
        connections: name of the table of connections and what they watch.
        stream: name of the stream.
        application: name of the consumer's KCL application.
        region: AWS region that everything claims to be in.
        start_timeout_seconds: how long each process has to come up.
    """

    persist: Path | None = None
    shards: int = 1
    handler: str | None = None
    config: Path | None = None
    auth: str = "none"
    callers: Path | None = None
    cors_origin: str = ""
    port: int | None = None
    ready_file: Path | None = None
    consumer: str = KCL
    mapping: MappingOptions = field(default_factory=MappingOptions)
    feedback: bool = False
    socket: SocketOptions = field(default_factory=SocketOptions)
    notify: MappingOptions = NOTIFY_OPTIONS
    reload: bool = False
    consumer_env: Mapping[str, str] = field(default_factory=dict)
    consumer_command: tuple[str, ...] = CONSUME
    faults: Faults = field(default_factory=Faults)
    expire_every_seconds: float = 30.0
    log_dir: Path | None = None
    table: str = "requests"
    connections: str = "connections"
    stream: str = "requests"
    application: str = "dropslot"
    region: str = REGION
    start_timeout_seconds: float = 90.0

    @property
    def journal(self) -> str:
        """Name of the table of finished steps; the operator's commands, which know only the table's, expect it."""
        return f"{self.table}-journal"

"""Stands the rig up: the stack, a proxy before its DynamoDB, and a gateway behind the proxy."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from dropslot.local.clients import dynamodb_client, kinesis_client, local_environment, streams_client
from dropslot.local.guard import Guard
from dropslot.local.mapping.options import MappingOptions
from dropslot.local.options import KCL, StackOptions
from dropslot.local.ports import LOOPBACK, free_ports, is_listening
from dropslot.local.process import Process, ProcessSpec
from dropslot.local.relay.faults import Faults
from dropslot.local.servers import endpoint, wait_until
from dropslot.local.stack import Stack
from tests.chaos.handlers import GATE, RUN_LOG
from tests.chaos.proxy import Proxy, running_proxy
from tests.chaos.rig import Rig
from tests.chaos.workload import Client

#: Of the stream, unless somebody chooses.
SHARDS: Final = 2
HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
#: Everything that takes minutes in production takes seconds here.
SETTINGS: Final = {
    "DROPSLOT_HANDLER": "tests.chaos.handlers:handle",
    "DROPSLOT_CONCURRENCY": "8",
    "DROPSLOT_HANDLER_TIMEOUT_SECONDS": "5",
    "DROPSLOT_HANDLER_TRIES": "2",
    "DROPSLOT_RETRY_SCHEDULE_SECONDS": "1,1",
    "DROPSLOT_SWEEP_INTERVAL_SECONDS": "1",
    "DROPSLOT_SWEEP_GRACE_SECONDS": "15",
    "DROPSLOT_SHUTDOWN_GRACE_SECONDS": "10",
}
#: As deployed, but for what takes minutes, and with two batches of a shard at once.
MAPPING: Final = MappingOptions(
    batching_window_seconds=0,
    parallelization=2,
    poll_seconds=0.2,
    # Twice the time limit of handlers and ten seconds, as docs/lambda.md has it.
    stream_timeout_seconds=20,
    stream_memory_mib=256,
    sweep_every_seconds=1,
    sweep_timeout_seconds=20,
)


@contextmanager
def running_rig(
    folder: Path,
    *,
    consumer: str = KCL,
    persistent: bool = False,
    shards: int = SHARDS,
    relay_faults: Faults | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Rig]:
    """Run everything for a `with` block.

    Args:
        folder: an empty one.
        consumer: what runs requests.
        persistent: keep the servers' data in files, so that they can be restarted.
        shards: of the stream.
        relay_faults: what the relay does wrong.
        settings: of the consumer, over `SETTINGS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runs").touch()
    proxy_port, gateway_port = free_ports(2)
    consumer_env = {
        **SETTINGS,
        **(settings if settings is not None else {}),
        RUN_LOG: str(folder / "runs"),
        GATE: str(folder / "gate"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint(proxy_port),
    }
    stack = Stack(
        StackOptions(
            persist=folder / "data" if persistent else None,
            shards=shards,
            config=HERE / "dropslot.toml",
            log_dir=folder / "logs",
            consumer=consumer,
            mapping=MAPPING,
            consumer_env=consumer_env,
            faults=relay_faults if relay_faults is not None else Faults(),
        ),
        os.environ,
    )
    info = stack.info
    with ExitStack() as parts:
        guard = parts.enter_context(Guard())
        # Before the stack, which isn't ready until its consumer has reached DynamoDB.
        environment = local_environment(
            os.environ,
            region=info.region,
            dynamodb_endpoint=info.dynamodb_endpoint,
            kinesis_endpoint=info.kinesis_endpoint,
        )
        proxy = parts.enter_context(
            running_proxy(
                proxy_port,
                info.dynamodb_endpoint,
                environment=environment,
                log=folder / "proxy.log",
                guard=guard,
            )
        )
        parts.enter_context(stack)
        parts.enter_context(
            _running_gateway(gateway_port, proxy, environment=environment, log=folder / "gateway.log", guard=guard)
        )
        yield Rig(
            stack=stack,
            folder=folder,
            proxy=proxy,
            client=Client(url=endpoint(gateway_port)),
            environment={
                **environment,
                **consumer_env,
                "DROPSLOT_TABLE": info.table,
                "DROPSLOT_JOURNAL": info.journal_table,
                "DROPSLOT_STREAM": info.stream,
                "DROPSLOT_APPLICATION": "dropslot",
            },
            guard=guard,
            dynamodb=parts.enter_context(closing(dynamodb_client(info.dynamodb_endpoint))),
            streams=parts.enter_context(closing(streams_client(info.dynamodb_endpoint))),
            kinesis=parts.enter_context(closing(kinesis_client(info.kinesis_endpoint))),
        )


@contextmanager
def _running_gateway(
    port: int, proxy: Proxy, *, environment: Mapping[str, str], log: Path, guard: Guard
) -> Iterator[None]:
    """Run a gateway behind the proxy; the stack's own goes straight to DynamoDB."""
    command = (
        *(sys.executable, "-m", "dropslot.local.gateway", "--host", LOOPBACK, "--port", str(port)),
        *("--config", str(HERE / "dropslot.toml"), "--dynamodb-endpoint", proxy.url),
    )
    process = Process.start(ProcessSpec(name="gateway", command=command, environment=environment, log=log), guard)
    try:
        wait_until(process, lambda: is_listening(port))
        yield
    finally:
        process.kill()

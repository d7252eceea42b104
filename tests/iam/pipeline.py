"""The local stack with a tap between each role and the servers it calls."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from dropslot.local.clients import dynamodb_client, kinesis_client, local_environment
from dropslot.local.consumer_state import shards_up
from dropslot.local.guard import Guard
from dropslot.local.options import StackOptions
from dropslot.local.parts import Parts
from dropslot.local.ports import LOOPBACK, free_ports, is_listening
from dropslot.local.process import Process, ProcessSpec
from dropslot.local.servers import endpoint, wait_until
from dropslot.local.stack import Stack
from tests.chaos.patience import eventually
from tests.chaos.proxy import Proxy, running_proxy
from tests.iam import provisioned
from tests.iam.calls import Places
from tests.iam.recorder import Recorder
from tests.iam.tables import kcl_tables

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient

#: Roles of the deployment, as the record names them.
API: Final = "api"
CONSUMER: Final = "consumer"
STREAM_FUNCTION: Final = "stream function"
SWEEP_FUNCTION: Final = "sweep function"
SOCKET_FUNCTION: Final = "socket function"
NOTIFY_FUNCTION: Final = "notify function"
#: Whoever has the policy to look, and whoever has the one to act besides.
VIEWER: Final = "viewer"
OPERATOR: Final = "operator"

APPLICATION: Final = "dropslot"
#: The one type of the API's configuration.
TYPE: Final = "tasks"
_ROOT: Final = Path(__file__).parents[2]
_API_CONFIG: Final = _ROOT / "tests" / "chaos" / "dropslot.toml"
_SETTLE_SECONDS: Final = 120.0
#: One that can do its work in steps.
HANDLER: Final = "tests.iam.handlers:handle"
_SETTINGS: Final = {
    "DROPSLOT_HANDLER": HANDLER,
    "DROPSLOT_HANDLER_TIMEOUT_SECONDS": "5",
    "DROPSLOT_HANDLER_TRIES": "2",
    "DROPSLOT_SWEEP_INTERVAL_SECONDS": "1",
    "DROPSLOT_SWEEP_GRACE_SECONDS": "15",
    "DROPSLOT_SHUTDOWN_GRACE_SECONDS": "10",
    # Java's Kinesis client speaks CBOR unless told otherwise; the same calls, readable.
    "CBOR_ENABLED": "false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A running pipeline whose calls are recorded.

    Args:
        stack: the stack; its consumer calls through taps.
        http: client of a gateway that calls through a tap.
        recorder: what was seen.
        proxy: stands between the taps and DynamoDB, and can misbehave.
        environment: of consumers and functions; variables of endpoints name taps.
        guard: ends what is left when we are killed.
        dynamodb: client past the taps.
        kinesis: client past the taps.
        folder: takes logs.
    """

    stack: Stack
    http: httpx.Client
    recorder: Recorder
    proxy: Proxy
    environment: Mapping[str, str]
    guard: Guard
    dynamodb: "DynamoDBClient"
    kinesis: "KinesisClient"
    folder: Path

    @property
    def places(self) -> Places:
        """What the names of this pipeline stand for."""
        info = self.stack.info
        return Places.of_pipeline(table=info.table, stream=info.stream, application=APPLICATION)

    def shards_up(self) -> set[str]:
        """Return the shards that the consumer has a process for."""
        return shards_up(Path(self.stack.info.state) / "consumer")

    def send(self, key: str, wish: str = "work") -> None:
        """Hand in a request that does as wished, until it is accepted."""

        def accepted() -> bool:
            answer = self.http.put(f"/{TYPE}", json={"do": wish}, headers={"Idempotency-Key": key})
            assert answer.status_code in {200, 202, 429, 500, 503}, answer.status_code
            return answer.status_code in {200, 202}

        eventually(accepted, _SETTLE_SECONDS, lambda: f"{key} isn't accepted")

    def state(self, key: str) -> dict[str, Any]:
        """Ask the API what became of a request; {} when it can't say."""
        answer = self.http.get(f"/{TYPE}/{key}")
        return dict(answer.json()) if answer.status_code == 200 else {}

    def await_done(self, *keys: str) -> None:
        """Wait until requests are done."""
        left = set(keys)

        def done() -> bool:
            left.difference_update([key for key in left if self.state(key).get("status") == "done"])
            return not left

        eventually(done, _SETTLE_SECONDS, lambda: f"not done: {sorted(left)}")


@contextmanager
def running_pipeline(folder: Path, *, shards: int = 1, settings: Mapping[str, str] | None = None) -> Iterator[Pipeline]:
    """Run everything for a `with` block, on an account in which KCL's tables are as the stack makes them: empty.

    Args:
        folder: an empty one.
        shards: of the stream.
        settings: of the consumer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runs").touch()
    dynamodb_tap, kinesis_tap, proxy_port = free_ports(3)
    consumer = {
        **_SETTINGS,
        **(settings if settings is not None else {}),
        "RUN_LOG": str(folder / "runs"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))),
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint(dynamodb_tap),
        "AWS_ENDPOINT_URL_KINESIS": endpoint(kinesis_tap),
    }
    tables = folder / "kcl-tables.json"
    options = StackOptions(
        shards=shards,
        log_dir=folder / "logs",
        application=APPLICATION,
        consumer_env=consumer,
        consumer_command=(sys.executable, "-m", "tests.iam.provisioned", str(tables)),
    )
    stack = Stack(options, os.environ)
    info = stack.info
    provisioned.write(tables, endpoint=info.dynamodb_endpoint, tables=kcl_tables(APPLICATION))
    environment = local_environment(
        os.environ,
        region=info.region,
        dynamodb_endpoint=info.dynamodb_endpoint,
        kinesis_endpoint=info.kinesis_endpoint,
    )
    recorder = Recorder(Parts.find(os.environ, Path.cwd()), environment)
    places = Places.of_pipeline(table=info.table, stream=info.stream, application=APPLICATION)
    with ExitStack() as running:
        guard = running.enter_context(Guard())
        proxy = running.enter_context(
            running_proxy(
                proxy_port, info.dynamodb_endpoint, environment=environment, log=folder / "proxy.log", guard=guard
            )
        )
        running.enter_context(recorder.tapped(CONSUMER, proxy.url, places, port=dynamodb_tap))
        running.enter_context(recorder.tapped(CONSUMER, info.kinesis_endpoint, places, port=kinesis_tap))
        running.enter_context(stack)
        api_tap = running.enter_context(recorder.tapped(API, proxy.url, places))
        url = running.enter_context(_gateway(api_tap, info.table, environment, folder / "gateway.log", guard))
        yield Pipeline(
            stack=stack,
            http=running.enter_context(httpx.Client(base_url=url, timeout=40, trust_env=False)),
            recorder=recorder,
            proxy=proxy,
            environment={
                **environment,
                **consumer,
                "DROPSLOT_TABLE": info.table,
                "DROPSLOT_JOURNAL": info.journal_table,
                "DROPSLOT_STREAM": info.stream,
                "DROPSLOT_APPLICATION": APPLICATION,
            },
            guard=guard,
            dynamodb=running.enter_context(closing(dynamodb_client(info.dynamodb_endpoint))),
            kinesis=running.enter_context(closing(kinesis_client(info.kinesis_endpoint))),
            folder=folder,
        )


@contextmanager
def _gateway(tap: str, table: str, environment: Mapping[str, str], log: Path, guard: Guard) -> Iterator[str]:
    """Run a gateway behind a tap; the stack's own goes straight to DynamoDB."""
    (port,) = free_ports(1)
    command = (
        *(sys.executable, "-m", "dropslot.local.gateway", "--host", LOOPBACK, "--port", str(port)),
        *("--config", str(_API_CONFIG), "--table", table, "--dynamodb-endpoint", tap),
    )
    process = Process.start(ProcessSpec(name="gateway", command=command, environment=environment, log=log), guard)
    try:
        wait_until(process, lambda: is_listening(port))
        yield endpoint(port)
    finally:
        process.kill()

"""The two servers of the local stack: how to start DynamoDB Local and kinesis-local, and when they are ready."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.local.errors import LocalStackError
from dropslot.local.guard import Guard
from dropslot.local.parts import Parts
from dropslot.local.ports import LOOPBACK, free_ports
from dropslot.local.process import Process, ProcessSpec, log_tail

START_TIMEOUT_SECONDS: Final = 30.0
#: kinesis-local writes all its data this often under --persist, and answers nobody meanwhile.
_PERSIST_INTERVAL: Final = "5s"
_POLL_SECONDS: Final = 0.05


def endpoint(port: int) -> str:
    """Return the URL of a server on a loopback port."""
    return f"http://{LOOPBACK}:{port}"


def dynamodb_spec(
    parts: Parts, *, port: int, environment: Mapping[str, str], log: Path, data_dir: Path | None = None
) -> ProcessSpec:
    """Describe DynamoDB Local.

    Args:
        parts: where its files are.
        port: loopback port to listen on.
        environment: its environment.
        log: file that takes its output.
        data_dir: folder for its data; None keeps everything in memory.
    """
    libraries = parts.dynamodb_dir / "DynamoDBLocal_lib"
    properties = [f"port={port}", f"in_memory={'true' if data_dir is None else 'false'}"]
    if data_dir is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
        properties.append(f"db_path={data_dir.resolve()}")
    return ProcessSpec(
        name="dynamodb",
        command=(
            str(parts.java),
            # The tables themselves are SQLite's and lie outside the heap.
            "-Xmx384m",
            "-XX:+UseSerialGC",
            "-Xshare:auto",
            "-XX:TieredStopAtLevel=1",
            f"-Djava.library.path={libraries}",
            "-cp",
            os.pathsep.join((str(parts.dynamodb_dir / "DynamoDBLocal.jar"), f"{libraries}{os.sep}*")),
            "org.eclipse.jetty.xml.XmlConfiguration",
            *properties,
            str(Path(__file__).with_name("dynamodb.xml")),
        ),
        environment={**environment, "DDB_LOCAL_TELEMETRY": "0"},
        log=log,
    )


def kinesis_spec(
    parts: Parts, *, port: int, environment: Mapping[str, str], log: Path, data_dir: Path | None = None
) -> ProcessSpec:
    """Describe kinesis-local; the arguments are those of `dynamodb_spec`."""
    persist = {}
    if data_dir is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
        persist = {
            "SHOULD_PERSIST_DATA": "true",
            "PERSIST_PATH": str(data_dir.resolve()),
            "PERSIST_INTERVAL": _PERSIST_INTERVAL,
        }
    return ProcessSpec(
        name="kinesis",
        command=(
            str(parts.node),
            # It keeps all records of a day: some 24,000 fill 1 GB, and it dies of a full heap.
            "--max-old-space-size=4096",
            # Its work is short-lived garbage: with room for it, large records go through two to four times as fast.
            "--max-semi-space-size=128",
            "--min-semi-space-size=128",
            "--require",
            str(Path(__file__).with_name("loopback.cjs")),
            str(parts.kinesis_dir / "main.js"),
        ),
        environment={
            **environment,
            **persist,
            "KINESIS_MOCK_PLAIN_PORT": str(port),
            # It insists on a TLS listener too; 0 takes any free port, on loopback like the other.
            "KINESIS_MOCK_TLS_PORT": "0",
            "KINESIS_MOCK_CERT_PATH": str(parts.kinesis_dir / "server.json"),
            "CREATE_STREAM_DURATION": "0ms",
            "LOG_LEVEL": "WARN",
        },
        log=log,
        # It waits for clients to close their connections, which they have no reason to do.
        grace_seconds=0.5,
    )


def dynamodb_answers(port: int) -> bool:
    """Tell whether DynamoDB Local answers an API call."""
    return _answers(lambda: dynamodb_client(endpoint(port)).list_tables(Limit=1))


def kinesis_answers(port: int) -> bool:
    """Tell whether kinesis-local answers an API call."""
    return _answers(lambda: kinesis_client(endpoint(port)).list_streams(Limit=1))


def wait_until(process: Process, ready: Callable[[], bool], timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
    """Wait until a process is ready.

    Raises:
        ProcessDiedError: it ended instead.
        LocalStackError: it isn't ready in time.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        process.check()
        if ready():
            return
        if time.monotonic() > deadline:
            raise LocalStackError(
                f"{process.spec.name} wasn't ready within {timeout_seconds:g} s; its log is {process.spec.log} "
                f"and ends with:\n{log_tail(process.spec.log) or '(nothing)'}"
            )
        time.sleep(_POLL_SECONDS)


@contextmanager
def running_dynamodb(
    log_dir: Path, *, environment: Mapping[str, str], data_dir: Path | None = None, port: int | None = None
) -> Iterator[str]:
    """Run DynamoDB Local for a `with` block, which gets its URL. Arguments and errors as of the functions above."""
    parts = Parts.find(environment, Path.cwd())
    port = port if port is not None else free_ports(1)[0]
    spec = dynamodb_spec(parts, port=port, environment=environment, log=log_dir / "dynamodb.log", data_dir=data_dir)
    with _running(spec, lambda: dynamodb_answers(port)):
        yield endpoint(port)


@contextmanager
def running_kinesis(
    log_dir: Path, *, environment: Mapping[str, str], data_dir: Path | None = None, port: int | None = None
) -> Iterator[str]:
    """Run kinesis-local for a `with` block, which gets its URL. Arguments and errors as of the functions above."""
    parts = Parts.find(environment, Path.cwd())
    port = port if port is not None else free_ports(1)[0]
    spec = kinesis_spec(parts, port=port, environment=environment, log=log_dir / "kinesis.log", data_dir=data_dir)
    with _running(spec, lambda: kinesis_answers(port)):
        yield endpoint(port)


@contextmanager
def _running(spec: ProcessSpec, ready: Callable[[], bool]) -> Iterator[Process]:
    with Guard() as guard:
        process = Process.start(spec, guard)
        try:
            wait_until(process, ready)
            yield process
        finally:
            process.stop()


def _answers(call: Callable[[], object]) -> bool:
    try:
        call()
    except (BotoCoreError, ClientError):
        return False
    return True

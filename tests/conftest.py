"""For all tests: real servers on free loopback ports, started once a session, and figures at the end of the output."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.local.servers import running_dynamodb, running_kinesis
from dropslot.local.tables import ensure_stream, ensure_table

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

_FIGURE: Final = "figure"

#: With `make test` each lane has a process, and runs its suites in this order. One has what takes a whole local stack,
#: whose parts know time limits: two stacks at once are late on two cores. Simulation comes behind the unit tests: what
#: its killed processes leave behind would be blamed on them.
_LANES: Final = {
    "e2e": "stack",
    "browser": "stack",
    "chaos": "stack",
    "integration": "parts",
    "container": "parts",
    "contract": "parts",
    "deploy": "parts",
    "iam": "parts",
    "infra": "parts",
    "unit": "rules",
    "simulation": "rules",
}
#: Suites that compute more than they wait, and so leave the cores to the others.
_NICENESS: Final = {"contract": 5, "deploy": 5, "iam": 5, "infra": 5, "unit": 5, "simulation": 10}
_SUITES: Final = tuple(_LANES)


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshTable:
    """A table of requests that only one test uses.

    Args:
        name: its name.
        stream_arn: ARN of its change stream.
        endpoint: URL of the DynamoDB that has it.
    """

    name: str
    stream_arn: str
    endpoint: str


@pytest.hookimpl(tryfirst=True)  # pytest-xdist looks at the marks in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the suites in order, and keep the tests of a lane together."""
    items.sort(key=lambda item: _SUITES.index(_suite(item)))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_LANES[_suite(item)]))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Step aside for the other lanes."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.nice(max(0, _NICENESS.get(_suite(item), 0) - os.nice(0)))


def _suite(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests have told, also those that passed."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                for name, figure in report.user_properties:
                    if name == _FIGURE:
                        terminalreporter.write_line(str(figure))


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[object], None]:
    """Take a figure for the end of the test run's output."""
    return lambda figure: record_property(_FIGURE, str(figure))


@pytest.fixture(scope="session")
def dynamodb_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a DynamoDB Local that forgets everything at the end."""
    with _or_skip(lambda: running_dynamodb(tmp_path_factory.mktemp("dynamodb"), environment=os.environ)) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def kinesis_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a kinesis-local that forgets everything at the end."""
    with _or_skip(lambda: running_kinesis(tmp_path_factory.mktemp("kinesis"), environment=os.environ)) as endpoint:
        yield endpoint


@pytest.fixture
def fresh_table(dynamodb_endpoint: str) -> FreshTable:
    """A new, empty table of requests."""
    name = f"requests-{uuid.uuid4().hex[:12]}"
    client = dynamodb_client(dynamodb_endpoint)
    try:
        return FreshTable(name=name, stream_arn=ensure_table(client, name), endpoint=dynamodb_endpoint)
    finally:
        client.close()


@pytest.fixture
def fresh_stream(kinesis_endpoint: str) -> Iterator[str]:
    """Name of a new, empty Kinesis stream with two shards."""
    with closing(kinesis_client(kinesis_endpoint)) as client, made_stream(client, 2) as name:
        yield name


@contextmanager
def made_stream(client: "KinesisClient", shards: int) -> Iterator[str]:
    """Make a new, empty stream; the value is its name. kinesis-local has room for 50 shards, so it goes again."""
    name = f"requests-{uuid.uuid4().hex[:12]}"
    ensure_stream(client, name, shards)
    yield name
    client.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})  # a split ends
    client.delete_stream(StreamName=name)


@contextmanager
def _or_skip(start: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    try:
        server = start()
        endpoint = server.__enter__()
    except ConfigurationError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    try:
        yield endpoint
    finally:
        server.__exit__(None, None, None)


@pytest.fixture
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one for the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path

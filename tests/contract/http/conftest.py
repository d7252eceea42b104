"""A base URL that keeps the HTTP contract, and its tables: the local gateway over DynamoDB Local, or a deployed stack.

`DROPSLOT_URL` names a deployed stack; `DROPSLOT_TABLE` its table of requests, which the usual AWS credentials must open
as well as that of steps;
`callers.caller_from` says how it is called.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx
import pytest

from dropslot.core.errors import DropslotError
from dropslot.local.clients import dynamodb_client
from dropslot.local.ports import free_ports
from dropslot.local.servers import running_dynamodb
from tests.contract.http.callers import Keyed, caller_from
from tests.contract.http.population import Population, signed_by
from tests.contract.http.stack import Stack, create_tables, drop_tables, running_gateway

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HERE = Path(__file__).parent
CONFIG = HERE / "dropslot.toml"


@pytest.fixture(scope="session")
def population() -> Population:
    """Who may call the local gateways."""
    return Population()


@pytest.fixture(scope="session", params=["document", "template"])
def stack(
    request: pytest.FixtureRequest, population: Population, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The stack under test: the gateway with the document itself or as CDK deploys it, or a deployed stack.

    The document itself asks nobody who calls; as deployed, every call must be signed.
    """
    url = os.environ.get("DROPSLOT_URL")
    if url is not None:
        if request.param == "template":
            pytest.skip("a deployed stack is tried once")
        yield from _deployed(url)
        return
    endpoint = request.getfixturevalue("dynamodb_endpoint")
    folder = tmp_path_factory.mktemp("http")
    table, caller, auth = "requests", "-", None
    options = ["--config", str(CONFIG)]
    if request.param == "template":
        from tests.contract.http.deployed import write_document

        path, table = write_document(folder, auth="iam")
        auth, caller = signed_by(population.mine), population.mine.role_id
        options = ["--openapi", str(path), "--callers", str(population.write(folder))]
    with (
        running_gateway(folder, endpoint, *options) as base_url,
        httpx.Client(base_url=base_url, timeout=35, trust_env=False, auth=auth) as http,
    ):
        client = dynamodb_client(endpoint)
        create_tables(client, table)
        yield Stack(http=http, dynamodb=client, table=table, caller=caller)
        drop_tables(client, table)
        client.close()


def _deployed(url: str) -> Iterator[Stack]:
    # boto3 itself looks at AWS_DEFAULT_REGION alone.
    session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    # One line each, not a traceback for each test: who reads it is about to try a deployment.
    if not os.environ.get("DROPSLOT_TABLE"):
        pytest.exit("DROPSLOT_TABLE is missing: the name of the deployed table", 2)
    if session.region_name is None or session.get_credentials() is None:
        pytest.exit("the suite looks into the deployed tables: it needs AWS_REGION and AWS credentials", 2)
    try:
        auth, caller = caller_from(os.environ, session)
    except ValueError as missing:
        pytest.exit(str(missing), 2)
    with httpx.Client(base_url=url, timeout=35, auth=auth) as http:
        client = session.client("dynamodb")
        yield Stack(http=http, dynamodb=client, table=os.environ["DROPSLOT_TABLE"], caller=caller)
        client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """The API as CDK deploys it with auth: `orders` need a caller, `notes` are open to all.

    Args:
        http: calls it, and proves nothing by itself.
        dynamodb: opens the table.
        table: its name.
        mine: proves that a caller calls.
        again: the same caller after a redeployment.
        theirs: another caller.
        unknown: a caller that the API doesn't know.
        caller: the first caller's part of its ids.
    """

    http: httpx.Client
    dynamodb: "DynamoDBClient"
    table: str
    mine: httpx.Auth
    again: httpx.Auth
    theirs: httpx.Auth
    unknown: httpx.Auth
    caller: str

    def stored(self, client_id: str) -> list[str]:
        """Return the ids of all items, whoever's, that end in a client's key."""
        rows = self.dynamodb.scan(TableName=self.table, ConsistentRead=True, ProjectionExpression="id")["Items"]
        return sorted(row["id"]["S"] for row in rows if row["id"]["S"].endswith(client_id))


@pytest.fixture(scope="session")
def signed(
    dynamodb_endpoint: str, population: Population, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """An API that wants calls signed."""
    with _guarded(
        tmp_path_factory.mktemp("signed"),
        dynamodb_endpoint,
        population,
        auth="iam",
        callers=tuple(map(signed_by, (population.mine, population.again, population.theirs, Population().mine))),
        caller=population.mine.role_id,
    ) as guarded:
        yield guarded


@pytest.fixture(scope="session")
def keyed(
    dynamodb_endpoint: str, population: Population, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """An API that wants a key sent along. A caller keeps its key when it is deployed anew."""
    keys = (population.my_key, population.my_key, population.their_key, Population().my_key)
    with _guarded(
        tmp_path_factory.mktemp("keyed"),
        dynamodb_endpoint,
        population,
        auth="api_key",
        callers=tuple(Keyed(key.value) for key in keys),
        caller=population.my_key.id,
    ) as guarded:
        yield guarded


@pytest.fixture(params=["signed", "keyed"])
def guarded(request: pytest.FixtureRequest) -> Guarded:
    """Each API that asks who calls."""
    api: Guarded = request.getfixturevalue(request.param)
    return api


@contextmanager
def _guarded(
    folder: Path,
    dynamodb_endpoint: str,
    population: Population,
    *,
    auth: str,
    callers: tuple[httpx.Auth, ...],
    caller: str,
) -> Iterator[Guarded]:
    from tests.contract.http.deployed import write_document

    settings: dict[str, object] = {"api_keys": ["shop", "partner"]} if auth == "api_key" else {}
    name = f"contract-{auth.replace('_', '-')}"
    path, table = write_document(folder, name=name, auth=auth, open_types=["notes"], **settings)
    options = ["--openapi", str(path), "--callers", str(population.write(folder))]
    with (
        running_gateway(folder, dynamodb_endpoint, *options) as url,
        httpx.Client(base_url=url, timeout=35, trust_env=False) as http,
    ):
        client = dynamodb_client(dynamodb_endpoint)
        create_tables(client, table)
        mine, again, theirs, unknown = callers
        yield Guarded(
            http=http,
            dynamodb=client,
            table=table,
            mine=mine,
            again=again,
            theirs=theirs,
            unknown=unknown,
            caller=caller,
        )
        client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A gateway whose DynamoDB starts and stops."""

    http: httpx.Client
    start: Callable[[], AbstractContextManager[None]]


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    """A local stack of its own, with DynamoDB not running yet."""
    if os.environ.get("DROPSLOT_URL") is not None:
        pytest.skip("a deployed store can't be stopped")
    (port,) = free_ports(1)

    @contextmanager
    def start() -> Iterator[None]:
        with _local_dynamodb(tmp_path, port) as endpoint:
            client = dynamodb_client(endpoint)
            create_tables(client, "requests")
            client.close()
            yield

    with (
        running_gateway(tmp_path, f"http://127.0.0.1:{port}", "--config", str(CONFIG)) as base_url,
        httpx.Client(base_url=base_url, timeout=35, trust_env=False) as http,
    ):
        yield Outage(http=http, start=start)


@contextmanager
def _local_dynamodb(folder: Path, port: int) -> Iterator[str]:
    try:
        server = running_dynamodb(folder, environment=dict(os.environ), port=port)
        endpoint = server.__enter__()
    except DropslotError as error:
        reason = f"DynamoDB Local can't be started: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield endpoint
    finally:
        server.__exit__(None, None, None)

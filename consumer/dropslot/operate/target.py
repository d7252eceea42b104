"""Where a command works: the local stack when one is up, else AWS by profile and region."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dropslot.core.errors import ConfigurationError
from dropslot.operate.running import RunningStack, find_running
from dropslot.operate.trouble import explain

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient

_TIMEOUTS: Final[dict[str, Any]] = {"connect_timeout": 3, "read_timeout": 10}
#: Reads are few and somebody waits for them: the SDK repeats what was throttled.
_READS: Final[dict[str, Any]] = {**_TIMEOUTS, "retries": {"mode": "standard", "total_max_attempts": 6}}
#: Writes are repeated by whoever made them, and knows which were carried out.
_WRITES: Final[dict[str, Any]] = {**_TIMEOUTS, "retries": {"total_max_attempts": 1}}
#: The local servers take any credentials; made-up ones can't reach an account.
_LOCAL_CREDENTIALS: Final[dict[str, Any]] = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where the operator wants a command to work.

    Args:
        local: True for the local stack, False for AWS, None for whichever there is: a profile, a region or a stack's
            name stand for AWS, else a running local stack comes first.
        profile: of the AWS configuration; None takes the SDK's choice.
        region: of AWS; the same.
        stack: name of the deployed stack; AWS needs it.
    """

    local: bool | None = None
    profile: str | None = None
    region: str | None = None
    stack: str | None = None

    @property
    def names_aws(self) -> bool:
        """Something was given that only AWS has."""
        return any(value is not None for value in (self.profile, self.region, self.stack))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One pipeline: its names, and clients of its services.

    Args:
        running: the local stack; None on AWS.
        account: AWS account; "" locally.
        region: AWS region.
        table: name of the table of requests.
        table_arn: its ARN.
        journal: name of the table of finished steps.
        stream: name of the stream.
        application: name of the KCL application.
        make_client: opens a client of a service, with these options of botocore; it is closed with the target.
    """

    running: RunningStack | None
    account: str
    region: str
    table: str
    table_arn: str
    journal: str
    stream: str
    application: str
    make_client: Callable[[str, Mapping[str, Any]], Any] = field(repr=False)

    @property
    def where(self) -> str:
        """The pipeline in a few words."""
        if self.running is not None:
            return f"table {self.table} of the local stack (process {self.running.pid})"
        return f"table {self.table} in {self.region} of account {self.account}"

    def dynamodb(self, *, writes: bool = False) -> "DynamoDBClient":
        """Return a client of DynamoDB.

        Args:
            writes: never repeats a call by itself.
        """
        client: DynamoDBClient = self.make_client("dynamodb", _WRITES if writes else _READS)
        return client

    def kinesis(self) -> "KinesisClient":
        """Return a client of Kinesis."""
        client: KinesisClient = self.make_client("kinesis", _READS)
        return client

    def client(self, service: str) -> Any:
        """Return a client of another service of AWS."""
        return self.make_client(service, _READS)


@contextmanager
def opened(choice: Choice, environment: Mapping[str, str], folder: Path) -> Iterator[Target]:
    """Open the pipeline that was chosen, and make sure that its table is there.

    Args:
        choice: of the operator.
        environment: usually ``os.environ``; its `AWS_REGION`, which boto3 doesn't know, comes before the profile's.
        folder: where a local stack would have been started.

    Raises:
        ConfigurationError: the choice fits nothing.
        OutOfReachError: the table isn't there, or can't be asked.
    """
    running = _running(choice, folder)
    with ExitStack() as clients:
        yield _on_aws(choice, environment, clients) if running is None else _locally(running, clients)


def _running(choice: Choice, folder: Path) -> RunningStack | None:
    if choice.local and choice.names_aws:
        raise ConfigurationError("--local goes without --profile, --region and --stack: these are about AWS")
    if choice.local is False or (choice.local is None and choice.names_aws):
        return None
    running = find_running(folder)
    if running is None and choice.local:
        raise ConfigurationError(f"no local stack was started in {folder}: dropslot up starts one")
    return running


def _locally(running: RunningStack, clients: ExitStack) -> Target:
    session: Any = boto3.Session(region_name=running.region, **_LOCAL_CREDENTIALS)
    endpoints = {"dynamodb": running.dynamodb_endpoint, "kinesis": running.kinesis_endpoint}

    def make_client(service: str, options: Mapping[str, Any]) -> Any:
        # A proxy set for the outside world must not see calls to loopback.
        config = Config(**options, proxies={})
        return _kept(session.client(service, endpoint_url=endpoints[service], config=config), clients)

    where = f"table {running.table} of the local stack (process {running.pid})"
    return Target(
        running=running,
        account="",
        region=running.region,
        table=running.table,
        table_arn=_table_arn(make_client("dynamodb", _READS), running.table, where),
        journal=f"{running.table}-journal",
        stream=running.stream,
        application=running.application,
        make_client=make_client,
    )


def _on_aws(choice: Choice, environment: Mapping[str, str], clients: ExitStack) -> Target:
    stack = choice.stack
    if stack is None:
        here = "" if choice.local is False or choice.names_aws else "no local stack runs here; "
        raise ConfigurationError(f"{here}for AWS give --stack, the name of a deployed stack (such as dropslot-prod)")
    table = f"{stack}-requests"
    region = choice.region if choice.region is not None else environment.get("AWS_REGION")
    try:
        session: Any = boto3.Session(profile_name=choice.profile, region_name=region)

        def make_client(service: str, options: Mapping[str, Any]) -> Any:
            return _kept(session.client(service, config=Config(**options)), clients)

        client = make_client("dynamodb", _READS)
    except BotoCoreError as error:
        raise explain(error, service="DynamoDB", where=f"table {table}") from error
    arn = _table_arn(client, table, f"table {table} in {client.meta.region_name}")
    return Target(
        running=None,
        account=arn.split(":")[4],
        region=client.meta.region_name,
        table=table,
        table_arn=arn,
        journal=f"{stack}-journal",
        stream=f"{stack}-requests",
        application=stack,
        make_client=make_client,
    )


def _table_arn(client: "DynamoDBClient", table: str, where: str) -> str:
    """Ask for the table: one call that proves credentials, permission and table before anything is done."""
    try:
        return client.describe_table(TableName=table)["Table"]["TableArn"]
    except (ClientError, BotoCoreError) as error:
        raise explain(error, service="DynamoDB", where=where) from error


def _kept(client: Any, clients: ExitStack) -> Any:
    clients.callback(client.close)
    return client

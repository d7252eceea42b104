"""`dropslot consume`: the supervisor with all that runs beside it."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import boto3
import msgspec
from botocore.config import Config

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.kcl.daemon import daemon_command
from dropslot.runtimes.kcl.jars import Jars, Java, find_jars, find_java
from dropslot.runtimes.kcl.lease_table import prepare_leases, release_leadership
from dropslot.runtimes.kcl.pause import PauseThread, is_paused
from dropslot.runtimes.kcl.properties import build_properties, endpoint, render_properties
from dropslot.runtimes.kcl.reach import ReachThread, find_out_of_reach
from dropslot.runtimes.kcl.state_folder import state_folder, worker_id
from dropslot.runtimes.kcl.supervisor import Supervisor
from dropslot.runtimes.kcl.sweep_thread import Sweep, SweepThread
from dropslot.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient

SHARD_COMMAND: Final = (sys.executable, "-m", "dropslot.runtimes.kcl.shard_process")

_CLIENTS: Final = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})


def consume(settings: Settings, environment: Mapping[str, str]) -> int:
    """Run a consumer until SIGTERM or SIGINT; the log goes to stderr, one JSON object a line.

    SIGUSR1 has each shard process replace itself once its work in flight is done: handlers are loaded afresh.

    Args:
        settings: of the consumer.
        environment: usually ``os.environ``; the daemon and the shard processes get it too.

    Returns:
        The exit code: 0 after a stop that lost nothing.

    Raises:
        ConfigurationError: when Java or the jars are missing, or a setting is wrong.
    """
    # Only a consumer pays for these, not `dropslot doctor`, which looks for jars through this package.
    from dropslot.adapters import logs  # noqa: PLC0415
    from dropslot.runtimes.assembly import build_sweep  # noqa: PLC0415

    logs.configure(settings.log_level, sys.stderr)
    return supervise(settings, environment, build_sweep=build_sweep)


def supervise(
    settings: Settings,
    environment: Mapping[str, str],
    *,
    build_sweep: Callable[[Settings, Callable[[], bool]], Sweep],
    shard_command: Sequence[str] = SHARD_COMMAND,
) -> int:
    """Do what `consume` does, with another program per shard.

    Must be called from the main thread: the kernel ends the daemon when the thread that started it ends.

    Args:
        settings: of the consumer.
        environment: as for `consume`.
        build_sweep: makes the sweep, which runs in a thread; told whether it must redrive nothing.
        shard_command: started by the daemon for each lease.
    """
    java, jars = _requirements(settings, environment)
    with state_folder(settings.state_dir) as folder:
        settings = msgspec.structs.replace(settings, state_dir=str(folder))
        name = worker_id(folder)
        properties = folder / "daemon.properties"
        properties.write_text(
            render_properties(
                build_properties(
                    settings, environment, version=jars.version, worker_id=name, shard_command=shard_command
                )
            )
        )
        with (
            _clients(settings, environment) as (dynamodb, kinesis),
            PauseThread(partial(is_paused, settings.table, dynamodb=dynamodb)) as pause,
            SweepThread(settings, lambda settings: build_sweep(settings, pause.paused)),
            ReachThread(partial(find_out_of_reach, settings, dynamodb=dynamodb, kinesis=kinesis)) as reach,
        ):

            def prepare() -> None:
                release_leadership(settings, worker_id=name, dynamodb=dynamodb)
                prepare_leases(settings, worker_id=name, dynamodb=dynamodb, kinesis=kinesis)

            return Supervisor(
                settings=settings,
                command=daemon_command(java, jars, properties, log_level=settings.log_level),
                environment={**environment, "DROPSLOT_STATE_DIR": str(folder)},
                prepare=prepare,
                trouble=reach.trouble,
                paused=pause.paused,
            ).run()


def _requirements(settings: Settings, environment: Mapping[str, str]) -> tuple[Java, Jars]:
    faults: list[str] = []
    java: Java | None = None
    jars: Jars | None = None
    try:
        java = find_java(environment)
    except ConfigurationError as wrong:
        faults += wrong.faults
    try:
        jars = find_jars(settings.kcl_jars)
    except ConfigurationError as wrong:
        faults += wrong.faults
    if java is None or jars is None:
        raise ConfigurationError(*faults)
    return java, jars


@contextmanager
def _clients(settings: Settings, environment: Mapping[str, str]) -> Iterator[tuple["DynamoDBClient", "KinesisClient"]]:
    session = boto3.session.Session(region_name=settings.region)
    dynamodb = session.client("dynamodb", endpoint_url=endpoint(environment, "DYNAMODB"), config=_CLIENTS)
    kinesis = session.client("kinesis", endpoint_url=endpoint(environment, "KINESIS"), config=_CLIENTS)
    with closing(dynamodb), closing(kinesis):
        yield dynamodb, kinesis

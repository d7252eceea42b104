"""The command line: reads options, calls what does the work, turns errors into lines and exit codes."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dropslot.core.errors import ConfigurationError, DropslotError
from dropslot.operate.commands import requests
from dropslot.operate.commands.lag import lag
from dropslot.operate.commands.options import TAKES_IDS
from dropslot.operate.commands.pause import pause, resume
from dropslot.operate.commands.replay import replay
from dropslot.operate.commands.retry import retry
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.exit_codes import OUT_OF_REACH

#: Exit codes: 0 all well, 1 what was asked for failed, 2 wrong usage or configuration. Operators' commands have more:
#: docs/operations.md.
EXIT_FAILED, EXIT_USAGE = 1, 2

#: What the commands of the local stack need beyond the consumer.
_LOCAL_EXTRA = {"airspeed", "httpx", "jsonschema", "starlette", "uvicorn", "watchfiles", "websockets", "yaml"}

app = typer.Typer(
    help="Durable fire-and-forget request processing on AWS.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(requests.app, name="requests")
app.command(context_settings=TAKES_IDS)(retry)
app.command()(replay)
app.command()(lag)
app.command()(pause)
app.command()(resume)

Persist = Annotated[Path | None, typer.Option(help="Keep tables and stream in this folder between runs.")]
Shards = Annotated[int, typer.Option(min=1, max=16, help="Shards of the stream, when it is created.")]
Handler = Annotated[
    str | None,
    typer.Option(help="module:function, or type=module:function separated by commas. [default: $DROPSLOT_HANDLER]"),
]
Consumer = Annotated[
    str | None,
    typer.Option(help="What runs requests, kcl or lambda. [default: kcl, or lambda in a demo where KCL can't be had]"),
]
SweepEvery = Annotated[
    float | None,
    typer.Option(help="Seconds from one sweep of the Lambda consumer to the next. [default: 60, as on AWS]"),
]
ReadyFile = Annotated[
    Path | None, typer.Option(help="Write URL, endpoints and process ids here (JSON) once all is up.")
]


def main() -> None:
    """Run the command line."""
    try:
        app()
    except ModuleNotFoundError as missing:
        if missing.name not in _LOCAL_EXTRA:
            raise
        _complain(f"{missing.name} is missing; the local stack needs an extra: pip install 'dropslot[local]'")
        sys.exit(EXIT_USAGE)
    except ConfigurationError as wrong:
        for fault in wrong.faults:
            _complain(fault)
        sys.exit(EXIT_USAGE)
    except OutOfReachError as wrong:
        _complain(str(wrong))
        sys.exit(OUT_OF_REACH)
    except DropslotError as wrong:
        _complain(str(wrong))
        sys.exit(EXIT_FAILED)


@app.command()
def up(
    persist: Persist = None,
    shards: Shards = 1,
    handler: Handler = None,
    ready_file: ReadyFile = None,
    port: Annotated[int | None, typer.Option(help="Port of the API. [default: a free one]")] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Import the handlers afresh when a file beside them changes.")
    ] = False,
    consumer: Consumer = None,
    sweep_every: SweepEvery = None,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Push outcomes to clients, over a WebSocket API.")
    ] = False,
    cors_origin: Annotated[
        str, typer.Option(help="Origin of the pages that may call the API, such as http://127.0.0.1:8000.")
    ] = "",
) -> None:
    """Start the whole pipeline on this machine, on loopback, until Ctrl-C.

    Example: dropslot up --handler app.handler:handle --reload
    """
    from dropslot.local.mapping.options import MappingOptions  # noqa: PLC0415 - the local stack is an extra
    from dropslot.local.options import KCL, StackOptions  # noqa: PLC0415
    from dropslot.local.up import run_up  # noqa: PLC0415

    options = StackOptions(
        persist=persist,
        shards=shards,
        handler=handler,
        ready_file=ready_file,
        port=port,
        reload=reload,
        consumer=_known_consumer(consumer) if consumer is not None else KCL,
        mapping=MappingOptions(sweep_every_seconds=sweep_every) if sweep_every is not None else MappingOptions(),
        feedback=feedback,
        cors_origin=cors_origin,
    )
    raise typer.Exit(run_up(options, Console()))


@app.command()
def demo(
    shards: Shards = 1,
    ready_file: ReadyFile = None,
    consumer: Consumer = None,
    require: Annotated[str | None, typer.Option(help="Fail unless this consumer ran every request.")] = None,
) -> None:
    """Send real requests through the local pipeline and show what became of each.

    In a terminal the stack then stays up until Ctrl-C; without one it ends. Exit code 0: every request ended as it
    had to.

    Example: dropslot demo --require kcl
    """
    from dropslot.demo.run import ENVIRONMENT, HANDLERS, choose_consumer, run_demo  # noqa: PLC0415 - the local stack is an extra
    from dropslot.local.options import StackOptions  # noqa: PLC0415

    wanted, required = (_known_consumer(name) if name is not None else None for name in (consumer, require))
    console = Console()
    options = StackOptions(
        shards=shards,
        handler=HANDLERS,
        consumer_env=ENVIRONMENT,
        ready_file=ready_file,
        # What is required isn't replaced by another that could be had.
        consumer=choose_consumer(wanted if wanted is not None else required, os.environ, console),
    )
    raise typer.Exit(run_demo(options, console, require=required, stay=sys.stdin.isatty() and sys.stdout.isatty()))


@app.command()
def consume() -> None:
    """Run the consumer: the KCL daemon, a process for each shard, and the sweep.

    Settings come from variables named DROPSLOT_ and a setting; docs/settings.md lists them. Log lines are JSON, on
    stderr. SIGTERM lets work in flight finish, checkpoints and ends with 0.

    Example: DROPSLOT_HANDLER=app.handler:handle dropslot consume
    """
    from dropslot.runtimes.kcl.consume import consume as run  # noqa: PLC0415 - `dropslot --help` needs none of it
    from dropslot.runtimes.preflight import check_handlers  # noqa: PLC0415
    from dropslot.settings import Settings  # noqa: PLC0415

    settings = Settings.from_env(os.environ)
    check_handlers(os.environ)
    raise typer.Exit(run(settings, os.environ))


@app.command()
def healthy() -> None:
    """Say whether the consumer beside this process is well. Exit code 1 when it isn't; the one line says why.

    Looks at the heartbeats in DROPSLOT_STATE_DIR: the supervisor's, and those of its shards. For the health check of a
    container.

    Example: dropslot healthy
    """
    from dropslot.runtimes.kcl.health import check_health  # noqa: PLC0415 - `dropslot --help` needs none of it

    health = check_health(os.environ)
    print(f"{'healthy' if health.healthy else 'unhealthy'}: {health.reason}")  # noqa: T201
    raise typer.Exit(0 if health.healthy else EXIT_FAILED)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what this machine lacks, and the command that gets it. Exit code 1 when something is missing.

    Example: dropslot doctor --json
    """
    from dropslot.local.doctor import as_dict, examine, print_checks  # noqa: PLC0415 - the local stack is an extra

    checks = examine(os.environ, Path.cwd())
    if as_json:
        print(json.dumps([as_dict(check) for check in checks], indent=2))  # noqa: T201
    else:
        print_checks(checks, Console())
    raise typer.Exit(0 if all(check.healthy for check in checks) else EXIT_FAILED)


def _known_consumer(name: str) -> str:
    from dropslot.local.options import KCL, LAMBDA  # noqa: PLC0415 - the local stack is an extra

    if name not in {KCL, LAMBDA}:
        raise ConfigurationError(f"there is no consumer {name}: it is {KCL} or {LAMBDA}")
    return name


def _complain(sentence: str) -> None:
    Console(stderr=True).print(f"dropslot: {sentence}", highlight=False, markup=False, soft_wrap=True)

"""A local mapping as a process, the Lambda consumer's or that of pushes: `python -m dropslot.local.mapping --help`."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from logging import getLogger
from pathlib import Path
from typing import Final

import msgspec

from dropslot.adapters import logs
from dropslot.core.errors import ConfigurationError
from dropslot.local.clients import REGION, kinesis_client
from dropslot.local.mapping.consumer import ConsumerPlaces, MappingConsumer
from dropslot.local.mapping.entry import print_line, python_path
from dropslot.local.mapping.options import MappingOptions
from dropslot.local.mapping.specs import notify_function, stream_function, sweep_function
from dropslot.runtimes.preflight import check_handlers
from dropslot.settings import Settings

_log: Final = getLogger("dropslot.local.mapping")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code."""
    parsed = _parser().parse_args(arguments)
    logs.configure("INFO", sys.stderr)
    environment = {**os.environ, "PYTHONPATH": python_path(parsed.functions)}
    try:
        options = msgspec.json.decode(parsed.options, type=MappingOptions)
        if parsed.notify:
            function, sweep = notify_function(options, environment), None
        else:
            Settings.from_env(environment)
            check_handlers(environment)
            function, sweep = stream_function(options, environment), sweep_function(options, environment)
        with closing(kinesis_client(parsed.kinesis_endpoint, parsed.region)) as client:
            consumer = MappingConsumer(
                options,
                ConsumerPlaces(
                    stream=parsed.stream,
                    region=parsed.region,
                    state_dir=parsed.state_dir,
                    positions=parsed.positions,
                    failures=parsed.failures,
                ),
                client=client,
                function=function,
                sweep=sweep,
                on_line=print_line,
            )
            asyncio.run(_run(consumer))
    except (ConfigurationError, msgspec.ValidationError) as wrong:
        _log.error("configuration_wrong", extra={"faults": getattr(wrong, "faults", (str(wrong),))})
        return 2
    return 0


async def _run(consumer: MappingConsumer) -> None:
    running = asyncio.create_task(consumer.run())
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.create_task(consumer.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    loop.add_signal_handler(signal.SIGUSR1, reload)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dropslot.local.mapping", description=__doc__)
    parser.add_argument("--kinesis-endpoint", required=True, metavar="URL")
    parser.add_argument("--stream", required=True)
    parser.add_argument("--region", default=REGION)
    parser.add_argument("--functions", required=True, type=Path, metavar="DIR", help="folder of the entry modules")
    parser.add_argument("--state-dir", required=True, type=Path, metavar="DIR", help="takes the heartbeat")
    parser.add_argument("--positions", required=True, type=Path, metavar="FILE", help="remembers how far it got")
    parser.add_argument(
        "--failures", type=Path, metavar="DIR", help="stands for the S3 bucket; without it there is none"
    )
    parser.add_argument("--options", default="{}", metavar="JSON", help="fields of MappingOptions")
    parser.add_argument("--notify", action="store_true", help="invoke the function that pushes, not the consumer's")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""The relay as a process: `python -m dropslot.local.relay --help`."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.core.errors import ConfigurationError
from dropslot.local.clients import REGION, dynamodb_client, kinesis_client, streams_client
from dropslot.local.relay.carrier import Carrier, CarrierOptions
from dropslot.local.relay.faults import Faults
from dropslot.local.relay.sink import SinkStoppedError

_RETRY_SECONDS: Final = 0.2
#: Only one log line a period says that DynamoDB can't be reached, however often it is tried.
_COMPLAIN_SECONDS: Final = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry changes until SIGTERM or SIGINT. Returns the exit code."""
    parsed = _parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        faults = Faults(
            duplicate=parsed.duplicate,
            delay=parsed.delay,
            reorder=parsed.reorder,
            skip=parsed.skip,
            delay_seconds=parsed.delay_seconds,
            seed=parsed.seed,
        )
    except ConfigurationError as error:
        log("configuration_wrong", level="ERROR", faults=error.faults)
        return 2
    options = CarrierOptions(
        table=parsed.table,
        stream=parsed.stream,
        region=parsed.region,
        state=parsed.state,
        journal=parsed.journal,
        connections=parsed.connections,
        faults=faults,
        expire_every_seconds=parsed.expire_every_seconds,
    )
    return carry(options, parsed.dynamodb_endpoint, parsed.kinesis_endpoint, parsed.poll_seconds, stop)


def carry(
    options: CarrierOptions, dynamodb_endpoint: str, kinesis_endpoint: str, poll_seconds: float, stop: threading.Event
) -> int:
    """Carry changes until told to stop; unreachable servers are waited for. Returns the exit code."""
    dynamodb = dynamodb_client(dynamodb_endpoint, options.region)
    streams = streams_client(dynamodb_endpoint, options.region)
    kinesis = kinesis_client(kinesis_endpoint, options.region)
    carrier: Carrier | None = None
    complained_at = float("-inf")
    while not stop.is_set():
        try:
            if carrier is None:
                carrier = Carrier(dynamodb, streams, kinesis, options, stop=stop, log=log)
                carrier.state.pid = os.getpid()
                log("relay_started", table=options.table, stream=options.stream, positions=len(carrier.state.positions))
            if not carrier.step(time.monotonic()):
                stop.wait(poll_seconds)
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() - complained_at >= _COMPLAIN_SECONDS:
                log("dynamodb_unavailable", level="WARNING", reason=type(error).__name__)
                complained_at = time.monotonic()
            stop.wait(_RETRY_SECONDS)
        except SinkStoppedError:
            break
    if carrier is not None:
        carrier.save()
        log("relay_stopped", counters=carrier.state.counters)
    return 0


def log(event: str, *, level: str = "INFO", **fields: object) -> None:
    """Write one JSON line to stderr. Fields never hold what a request says."""
    line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "level": level, "event": event, **fields}
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dropslot.local.relay", description=__doc__)
    parser.add_argument("--dynamodb-endpoint", required=True, metavar="URL")
    parser.add_argument("--kinesis-endpoint", required=True, metavar="URL")
    parser.add_argument("--table", required=True)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--region", default=REGION)
    parser.add_argument("--state", required=True, type=Path, metavar="FILE", help="remembers how far it got")
    parser.add_argument("--poll-seconds", type=float, default=0.05, help="pause between reads that found nothing")
    parser.add_argument(
        "--expire-every-seconds", type=float, default=30.0, help="pause between deletions of expired items"
    )
    for table in ("--journal", "--connections"):
        parser.add_argument(table, metavar="TABLE", help="delete this table's expired rows, too")
    for rate in ("duplicate", "delay", "reorder", "skip"):
        parser.add_argument(f"--{rate}", type=float, default=0.0, metavar="RATE", help=f"{rate} this share of records")
    parser.add_argument("--delay-seconds", type=float, default=2.0, help="how long a delayed record is held")
    parser.add_argument("--seed", type=int, default=0, help="the same seed hits the same records")
    return parser


if __name__ == "__main__":
    sys.exit(main())

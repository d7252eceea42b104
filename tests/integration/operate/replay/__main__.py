"""Replays many records over split and merged shards, on servers of its own, and prints what holds and how fast it was.

python -m tests.integration.operate.replay --records 20000
"""

import argparse
import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from dropslot.local.clients import dynamodb_client, kinesis_client
from dropslot.local.servers import running_dynamodb, running_kinesis
from dropslot.local.tables import ensure_stream, ensure_table
from tests.integration.operate.replay.scenario import (
    FORCED,
    OVERDUE,
    ctrl_c_skips_and_repeats_nothing,
    once_more,
    settled_stays_so,
)
from tests.integration.operate.replay.stage import staged

TABLE, STREAM = "requests", "requests"


def main() -> None:
    """Run it all; an assertion that fails ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    records: int = parser.parse_args().records
    home = Path.cwd()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_dynamodb(Path(folder), environment=os.environ) as dynamodb_endpoint,
        running_kinesis(Path(folder), environment=os.environ) as kinesis_endpoint,
    ):
        with (
            closing(dynamodb_client(dynamodb_endpoint)) as dynamodb,
            closing(kinesis_client(kinesis_endpoint)) as kinesis,
        ):
            ensure_table(dynamodb, TABLE)
            ensure_stream(kinesis, STREAM, 2)
        os.chdir(folder)
        try:
            _replay(Path(folder), records, dynamodb_endpoint=dynamodb_endpoint, kinesis_endpoint=kinesis_endpoint)
        finally:
            os.chdir(home)


def _replay(folder: Path, records: int, *, dynamodb_endpoint: str, kinesis_endpoint: str) -> None:
    with staged(
        dynamodb_endpoint=dynamodb_endpoint,
        kinesis_endpoint=kinesis_endpoint,
        table=TABLE,
        stream=STREAM,
        folder=folder,
        pid=os.getpid(),
    ) as stage:
        started = time.monotonic()
        history = stage.happened(records, reshards=True)
        seconds = time.monotonic() - started
        _tell(
            f"{history.classes.total():,} records of {len(history.told):,} keys in {len(history.numbers)} shards "
            f"put in {seconds:.0f} s"
        )
        settled_stays_so(stage, history, _tell)
        again = once_more(history, *FORCED) | once_more(history, *OVERDUE)
        stage.settle(set(again))
        expected = {key: attempt + 1 for key, attempt in again.items()}
        ctrl_c_skips_and_repeats_nothing(stage, expected, after=len(expected) // 4, tell=_tell)


def _tell(figure: object) -> None:
    sys.stdout.write(f"{figure}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

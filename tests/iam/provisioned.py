"""A consumer that finds its tables made: `python -m tests.iam.provisioned FILE` makes them and becomes the consumer."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from dropslot.local.clients import dynamodb_client
from dropslot.local.options import CONSUME


def write(file: Path, *, endpoint: str, tables: Sequence[Mapping[str, Any]]) -> None:
    """Write down which tables to make, and in which DynamoDB: past the taps, as CloudFormation would."""
    file.write_text(json.dumps({"endpoint": endpoint, "tables": tables}))


def main(file: Path) -> None:
    """Make the tables that aren't there, and become the consumer."""
    wanted = json.loads(file.read_text())
    with closing(dynamodb_client(wanted["endpoint"])) as client:
        there = client.list_tables()["TableNames"]
        for table in wanted["tables"]:
            if table["TableName"] not in there:
                client.create_table(**table)
    os.execv(CONSUME[0], CONSUME)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

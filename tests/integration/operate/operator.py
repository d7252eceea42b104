"""An operator at a local stack that is nothing but its table: commands in, output and exit code out."""

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from dropslot import cli
from tests.unit.core.images import Image

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a command.

    Args:
        code: its exit code.
        out: what it wrote to stdout.
        all: what it wrote, stderr too, in order.
    """

    code: int
    out: str
    all: str


class _Both(io.StringIO):
    """Takes part of the output, and passes it on to all of it."""

    def __init__(self, everything: io.StringIO) -> None:
        super().__init__()
        self._everything = everything

    def write(self, text: str) -> int:
        self._everything.write(text)
        return super().write(text)


def run(*words: str) -> Outcome:
    """Run a command as the command line does."""
    everything = io.StringIO()
    out = _Both(everything)
    with (
        patch.object(sys, "argv", ["dropslot", *words]),
        redirect_stdout(out),
        redirect_stderr(_Both(everything)),
    ):
        try:
            cli.main()
            code: Any = 0
        except SystemExit as ended:
            code = ended.code
    return Outcome(code=int(code or 0), out=out.getvalue(), all=everything.getvalue())


def interrupted(*words: str, when: Callable[[], bool]) -> Outcome:
    """Run a command as a process of its own, and end it by Ctrl-C once something has happened.

    What it writes comes through one pipe, in the order in which a terminal would show it.
    """
    command = [sys.executable, "-m", "dropslot", *words]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        while not when():
            assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGINT)
        written, _ = process.communicate()
    return Outcome(code=process.returncode, out=written, all=written)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A table that only one test uses, found by commands as the local stack's.

    Args:
        client: of DynamoDB.
        table: name of the table.
    """

    client: "DynamoDBClient"
    table: str

    def put(self, *items: Image) -> None:
        """Place items."""
        for start in range(0, len(items), 25):
            writes: Any = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
            self.client.batch_write_item(RequestItems={self.table: writes})

    def items(self) -> dict[str, dict[str, Any]]:
        """Return all items by id."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
        return {item["id"]["S"]: item for page in pages for item in page["Items"]}

    def transcript(self, words: Sequence[str], outcome: Outcome | None = None) -> str:
        """Return what an operator sees of a command, without what differs from run to run.

        Args:
            words: of the command.
            outcome: of it; None runs it.
        """
        outcome = outcome if outcome is not None else run(*words)
        text = re.sub(r"\(process \d+\)", "(process 4711)", outcome.all.replace(self.table, "requests"))
        shown = " ".join(word if re.fullmatch(r"[\w=.:/-]+", word) else f"'{word}'" for word in words)
        return f"$ dropslot {shown}\n{re.sub(r'127.0.0.1:[0-9]+', '127.0.0.1:4566', text)}[exit code {outcome.code}]\n"

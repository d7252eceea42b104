"""An operator at a local stack that is nothing but its table: commands in, output and exit code out."""

import io
import re
import sys
from collections.abc import Sequence
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

    def transcript(self, words: Sequence[str]) -> str:
        """Run a command and return what an operator sees, without what differs from run to run."""
        outcome = run(*words)
        text = re.sub(r"\(process \d+\)", "(process 4711)", outcome.all.replace(self.table, "requests"))
        shown = " ".join(word if re.fullmatch(r"[\w=.:/-]+", word) else f"'{word}'" for word in words)
        return f"$ dropslot {shown}\n{re.sub(r'127.0.0.1:[0-9]+', '127.0.0.1:4566', text)}[exit code {outcome.code}]\n"

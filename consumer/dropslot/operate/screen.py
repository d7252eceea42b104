"""What commands print: results on stdout, for readers or as JSON, and all that is said about them on stderr."""

import json
import sys
from collections.abc import Sequence
from typing import Final, Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

_GAP: Final = "  "


class Screen:
    """Writes for a terminal with colours and as wide as it is; else plainly, so that lines can be cut and searched.

    Args:
        as_json: results are for programs.
        out: where results go; None is stdout.
        err: where all else goes; None is stderr.
    """

    def __init__(self, *, as_json: bool, out: Console | None = None, err: Console | None = None) -> None:
        self.as_json = as_json
        self._out = out if out is not None else Console(highlight=False, soft_wrap=True)
        self._err = err if err is not None else Console(stderr=True, highlight=False, soft_wrap=True)

    def before_results(self) -> Self:
        """Return a screen for what a reader is shown first; where results are for programs, it stays out of these."""
        return type(self)(as_json=False, out=self._err, err=self._err) if self.as_json else self

    def say(self, sentence: str) -> None:
        """Tell the operator something."""
        self._err.print(Text(printable(sentence)))

    def json(self, value: object) -> None:
        """Print one JSON document."""
        self._out.file.write(json.dumps(value, indent=2) + "\n")

    def json_line(self, value: object) -> None:
        """Print one JSON document on one line."""
        self._out.file.write(json.dumps(value, separators=(",", ":")) + "\n")

    def text(self, text: str) -> None:
        """Print text of many lines; as it is, unless a terminal would act on it."""
        lines = text.split("\n")
        self._out.file.write("\n".join(map(printable, lines) if self._out.is_terminal else lines) + "\n")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print rows under headings; every cell is on its row's line unless a terminal is too narrow."""
        cells = [[printable(cell) for cell in row] for row in rows]
        if self._out.is_terminal:
            table = Table(box=None, pad_edge=False, header_style="bold")
            for column in columns:
                table.add_column(column, overflow="fold")
            for row in cells:
                table.add_row(*(Text(cell) for cell in row))
            self._out.print(table, soft_wrap=False)
            return
        lines = [list(columns), *cells]
        widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
        for line in lines:
            self._out.file.write(
                _GAP.join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
            )

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Print names and values, one pair a line."""
        width = max(len(name) for name, _ in pairs)
        for name, value in pairs:
            self._out.print(Text.assemble((f"{name:<{width}}", "bold"), _GAP, printable(value)))

    def can_ask(self) -> bool:
        """Tell whether there is somebody to answer a question."""
        return sys.stdin.isatty()


def printable(text: str) -> str:
    """Escape what a terminal would act on: errors quote what clients have sent."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def pluralised(count: int, noun: str) -> str:
    """Return ``1 request``, ``2,345 requests``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

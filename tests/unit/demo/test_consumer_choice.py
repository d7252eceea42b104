"""Which consumer runs a demonstration."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from dropslot.cli import app
from dropslot.core.errors import ConfigurationError
from dropslot.demo.run import choose_consumer


def test_lambda_steps_in_where_kcl_has_no_jars(tmp_path: Path) -> None:
    """Given a folder without jars, then Lambda runs it, and one line says why."""
    said = io.StringIO()

    chosen = choose_consumer(None, {**os.environ, "DROPSLOT_KCL_JARS": str(tmp_path)}, Console(file=said, width=40))

    assert chosen == "lambda"
    (line,) = said.getvalue().splitlines()
    assert line.startswith("KCL can't run here, so the Lambda consumer does: ")
    assert "make setup" in line


@pytest.mark.parametrize("wanted", ["kcl", "lambda"])
def test_what_is_wanted_is_not_replaced(tmp_path: Path, wanted: str) -> None:
    """Given a choice, then it stands, whatever is missing, and nothing is said."""
    said = io.StringIO()

    assert choose_consumer(wanted, {"DROPSLOT_KCL_JARS": str(tmp_path)}, Console(file=said)) == wanted
    assert said.getvalue() == ""


@pytest.mark.parametrize("arguments", [["up", "--consumer", "fargate"], ["demo", "--require", "fargate"]])
def test_there_is_no_third(arguments: list[str]) -> None:
    """Given another name, then the command says which there are."""
    with pytest.raises(ConfigurationError, match="it is kcl or lambda"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)

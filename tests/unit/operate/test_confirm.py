"""Questions to an operator."""

import io
from unittest.mock import patch

import pytest
import typer
from rich.console import Console

from dropslot.core.errors import ConfigurationError
from dropslot.operate.commands.options import confirm
from dropslot.operate.exit_codes import INTERRUPTED, NOT_DONE
from dropslot.operate.screen import Screen


def asked(*, answer: bool | None, terminal: bool = True) -> tuple[int, str]:
    """Ask; return the exit code, 0 for going on, and what was said. None answers by Ctrl-C."""
    out = io.StringIO()
    console = Console(file=out, width=80, color_system=None)
    screen = Screen(as_json=False, out=console, err=console)

    def prompt(*_: object, **__: object) -> bool:
        if answer is None:
            raise typer.Abort
        return answer

    with patch.object(Screen, "can_ask", lambda _: terminal), patch.object(typer, "confirm", prompt):
        try:
            confirm("Redrive 5 failed requests?", yes=False, screen=screen)
        except typer.Exit as left:
            return left.exit_code, out.getvalue()
    return 0, out.getvalue()


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, NOT_DONE), (None, INTERRUPTED)])
def test_an_answer_has_its_exit_code(answer: bool | None, code: int) -> None:
    """Given yes, no, or Ctrl-C, it goes on, or ends with the code of the page, and nothing was done."""
    found, said = asked(answer=answer)
    assert found == code
    assert said == ("" if answer else "nothing was done\n")


def test_nobody_there_is_told_of_yes() -> None:
    """Given no terminal, there is nobody to ask: the sentence names the way out."""
    with pytest.raises(ConfigurationError, match="give --yes"):
        asked(answer=True, terminal=False)

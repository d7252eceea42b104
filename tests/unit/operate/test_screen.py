"""What commands print."""

import io

from rich.console import Console

from dropslot.operate.screen import Screen


def screen(*, terminal: bool) -> tuple[Screen, io.StringIO]:
    """Return a screen and what it prints."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=60, color_system=None)
    return Screen(as_json=False, out=console, err=console), out


def test_plain_tables_have_a_line_for_each_row() -> None:
    """Given no terminal, a long cell is on its row's line, whole."""
    plain, out = screen(terminal=False)
    plain.table(("A", "LONG"), [("1", "x" * 200), ("22", "y")])
    assert out.getvalue().splitlines() == ["A   LONG", "1   " + "x" * 200, "22  y"]


def test_what_clients_sent_cannot_steer_a_terminal() -> None:
    """Given an error with control characters, a terminal gets their names; so do lists that must stay lines."""
    evil = "a\x1b]0;owned\x07\nb\u202e[red]c"
    for terminal in (False, True):
        shown, out = screen(terminal=terminal)
        shown.table(("ERROR",), [(evil,)])
        shown.pairs([("error", evil)])
        shown.say(evil)
        assert "\x1b" not in out.getvalue()
        assert out.getvalue().count("a\\x1b]0;owned\\x07\\nb\\u202e[red]c") == 3


def test_a_body_is_as_it_is_where_no_terminal_acts_on_it() -> None:
    """Given a body, a pipe gets it as it is, a terminal without what would steer it."""
    for terminal, expected in ((False, "a\x1b[0m\nb\n"), (True, "a\\x1b[0m\nb\n")):
        shown, out = screen(terminal=terminal)
        shown.text("a\x1b[0m\nb")
        assert out.getvalue() == expected

"""What every command of an operator has: where it works, how it prints, how it asks and how it ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dropslot.core.errors import ConfigurationError
from dropslot.operate.exit_codes import INTERRUPTED, NOT_DONE
from dropslot.operate.screen import Screen

if TYPE_CHECKING:
    from dropslot.operate.target import Choice, Target

#: Of commands that take ids: without a caller these begin with a hyphen. `item_id.resolve` refuses mistyped options.
TAKES_IDS: Final[dict[str, Any]] = {"ignore_unknown_options": True}

LocalOrAws = Annotated[
    bool | None,
    typer.Option("--local/--aws", help="Work on the local stack, or on AWS. [default: the local stack if one is up]"),
]
Profile = Annotated[str | None, typer.Option(help="Profile of the AWS configuration; means --aws.")]
Region = Annotated[str | None, typer.Option(help="AWS region; means --aws.")]
Stack = Annotated[str | None, typer.Option(help="Name of the deployed stack, such as dropslot-prod; means --aws.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
Type = Annotated[str | None, typer.Option("--type", help="Only requests that came in by this type.")]
Caller = Annotated[
    str | None,
    typer.Option(help="The caller's part of the id, as `requests list` shows it. [default: -, of open APIs]"),
]


def chosen(local: bool | None, profile: str | None, region: str | None, stack: str | None) -> "Choice":  # noqa: FBT001
    """Return the choice that these options make."""
    from dropslot.operate.target import Choice  # noqa: PLC0415 - `dropslot --help` needs no SDK

    return Choice(local=local, profile=profile, region=region, stack=stack)


@contextmanager
def operating(choice: "Choice", screen: Screen) -> Iterator["Target"]:
    """Open the pipeline and say which it is; Ctrl-C ends the command with its own exit code."""
    from dropslot.operate.target import opened  # noqa: PLC0415 - `dropslot --help` needs no SDK

    try:
        with opened(choice, os.environ, Path.cwd()) as target:
            screen.say(f"on {target.where}")
            yield target
    except KeyboardInterrupt:
        screen.say("stopped; what is done is done")
        raise typer.Exit(INTERRUPTED) from None


def confirm(question: str, *, yes: bool, screen: Screen) -> None:
    """Ask, unless `yes` says it all.

    Raises:
        ConfigurationError: there is nobody to ask.
    """
    if yes:
        return
    if not screen.can_ask():
        raise ConfigurationError(f"{question} Nobody is there to answer: give --yes")
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:  # Ctrl-C
        screen.say("nothing was done")
        raise typer.Exit(INTERRUPTED) from None
    if not agreed:
        screen.say("nothing was done")
        raise typer.Exit(NOT_DONE)

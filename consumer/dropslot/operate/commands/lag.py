"""`dropslot lag`: how far the consumer is behind."""

from typing import Annotated

import typer

from dropslot.operate.commands.options import AsJson, LocalOrAws, Profile, Region, Stack, chosen, operating
from dropslot.operate.exit_codes import NOT_DONE
from dropslot.operate.screen import Screen


def lag(
    watch: Annotated[
        float, typer.Option(min=5, max=600, help="Seconds between two looks at the leases: what moves is alive.")
    ] = 10.0,
    local: LocalOrAws = None,
    profile: Profile = None,
    region: Region = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Say how far each shard is behind, who reads it, and what is wrong. Exit code 1 when something is.

    Behind is the age of the oldest record that isn't resolved; resolved until, when the newest one arrived before which
    all are. Both are read from the stream: once a shard and call.

    Example: dropslot lag
    """
    from dropslot.operate.lag import show_lag  # noqa: PLC0415 - `dropslot --help` needs no SDK

    screen = Screen(as_json=as_json)
    with operating(chosen(local, profile, region, stack), screen) as target:
        if not show_lag(target, screen, seconds=watch):
            raise typer.Exit(NOT_DONE)

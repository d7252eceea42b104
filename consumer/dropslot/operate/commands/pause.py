"""`dropslot pause` and `dropslot resume`: nothing runs while what it needs is down."""

from typing import Annotated

import typer

from dropslot.operate.commands.options import AsJson, LocalOrAws, Profile, Region, Stack, chosen, operating
from dropslot.operate.screen import Screen


def pause(
    reason: Annotated[str, typer.Option(help="For others who wonder: `lag` shows it.")] = "",
    local: LocalOrAws = None,
    profile: Profile = None,
    region: Region = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Run no requests for now, on all consumers. They are still accepted, and wait in order.

    Example: dropslot pause --reason "the kitchen's API is down until 6"
    """
    from dropslot.operate.pausing import pause as run  # noqa: PLC0415 - `dropslot --help` needs no SDK

    screen = Screen(as_json=as_json)
    with operating(chosen(local, profile, region, stack), screen) as target:
        run(target, screen, reason=reason)


def resume(
    local: LocalOrAws = None,
    profile: Profile = None,
    region: Region = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Run requests again after a pause, from where it began.

    Example: dropslot resume
    """
    from dropslot.operate.pausing import resume as run  # noqa: PLC0415 - `dropslot --help` needs no SDK

    screen = Screen(as_json=as_json)
    with operating(chosen(local, profile, region, stack), screen) as target:
        run(target, screen)

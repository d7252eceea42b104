"""Many clients at once, each on a connection of its own: `python -m tests.crowd` does it with a thousand."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dropslot.core.errors import ConfigurationError
from dropslot.local.parts import Parts
from tests.crowd.crowd import run_crowd, running_stack
from tests.e2e.conftest import ROOT, skip_or_fail

CLIENTS: Final = 50


def test_each_of_a_crowd_is_pushed_its_outcome(tmp_path: Path, tell: Callable[[object], None]) -> None:
    """Given watches of as many clients, when all outcomes are written at once, then each client is told its own."""
    try:
        Parts.find(os.environ, ROOT)
    except ConfigurationError as missing:
        skip_or_fail(str(missing))
    with running_stack(tmp_path) as stack:
        report = asyncio.run(run_crowd(stack, CLIENTS))

    tell(report)
    assert (report.connected, report.watched, report.lost) == (CLIENTS, CLIENTS, 0)
    # One may be lost, and is asked for then.
    assert report.pushed >= CLIENTS - 1

"""Waiting for what must come, with a limit that only a fault uses up."""

import time
from collections.abc import Callable
from typing import Final

_POLL_SECONDS: Final = 0.1


def eventually(condition: Callable[[], bool], limit_seconds: float, describe: Callable[[], str]) -> float:
    """Wait until something holds.

    Returns:
        The seconds that took.

    Raises:
        AssertionError: it doesn't hold in time, in `describe`'s words.
    """
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < limit_seconds, f"not within {limit_seconds:g} s: {describe()}"
        time.sleep(_POLL_SECONDS)
    return time.monotonic() - started

"""When a client is to ask again, worked out with arithmetic: what the templates have to say without any."""

from typing import Final

#: Milliseconds of a decimal place to the wait, in seconds, for ages below it: from the longest wait to the shortest.
_STEPS: Final = ((1_000_000, 30), (100_000, 5), (10_000, 1))
_LONGEST_SECONDS: Final = 60

#: A request's age in milliseconds up to which the wait must be this short, whatever the clock shows; and the age from
#: which it must be longer.
BOUNDS: Final = ((1, 10_000, 20_000), (5, 100_000, 200_000), (30, 1_000_000, 2_000_000))


def wait_seconds(accepted_at_ms: int, now_ms: int) -> int:
    """Return the wait for a request accepted then and asked about now."""
    wait = _LONGEST_SECONDS
    for unit_ms, seconds in _STEPS:
        if abs(accepted_at_ms // unit_ms - now_ms // unit_ms) <= 1:
            wait = seconds
    return wait

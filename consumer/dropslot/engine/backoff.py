"""Pauses between repeats of a call that failed for a passing reason."""

import os
from typing import Protocol

import msgspec


class Source(Protocol):
    """Of random numbers: a `random.Random` is one."""

    def random(self) -> float:
        """Return a number from 0 up to, but not including, 1."""
        ...


class SystemSource:
    """The operating system's random numbers. Loading Python's own generator would cost a cold start a millisecond."""

    def random(self) -> float:
        """See `Source.random`."""
        return int.from_bytes(os.urandom(4), "big") / (1 << 32)


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Doubling pauses, half of each random, so that many workers don't come back at the same moment.

    Args:
        first_seconds: the longest first pause.
        max_seconds: the longest pause at all.
        source: of the jitter.
    """

    first_seconds: float = 0.05
    max_seconds: float = 5.0
    source: Source = msgspec.field(default_factory=SystemSource)

    def seconds(self, failures: int) -> float:
        """Return the pause after this many failures in a row before the present one."""
        longest = min(self.max_seconds, self.first_seconds * (1 << min(failures, 30)))
        return longest / 2 + self.source.random() * longest / 2

"""A handler for two consumers at once: it takes its time in every second run, so that either may be first."""

import random
import time
from typing import Any, Final

from dropslot import Request
from tests.e2e.handlers import digest

#: More than one consumer is behind the other. Then the later one is first in a quarter of all cases: when it is quick
#: and the other isn't, whichever of them it is.
_LONG_SECONDS: Final = 3.0


def handle(request: Request) -> Any:
    """Note the run, and perhaps take some time."""
    answer = digest(request)
    if random.random() < 0.5:
        time.sleep(_LONG_SECONDS)
    return answer

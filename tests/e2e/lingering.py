"""A handler for two consumers at once: it takes its time in every second run, so that either may be first."""

import os
import random
import time
from typing import Any, Final

from dropslot import Request
from tests.e2e.handlers import digest

#: Variable with the seconds that every second run takes. More than one consumer is behind the other: then the later one
#: is first in a quarter of all cases at least, when it is quick and the other isn't.
LINGER: Final = "E2E_LINGER_SECONDS"


def handle(request: Request) -> Any:
    """Note the run, and perhaps take some time."""
    answer = digest(request)
    if random.random() < 0.5:
        time.sleep(float(os.environ[LINGER]))
    return answer

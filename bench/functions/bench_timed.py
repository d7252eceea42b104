"""The flow as a handler with steps that times each of them."""

import time
from typing import Any, Final

from bench_flow import STEPS, work  # type: ignore[import-not-found]  # beside it, where it runs

from dropslot import Request, Steps

#: Seconds, by whether the step was the first one, which also takes the journal.
SECONDS: Final[dict[bool, list[float]]] = {True: [], False: []}


def handle(request: Request, steps: Steps) -> list[dict[str, Any]]:
    """Run the flow."""
    order = request.json()
    results = []
    for number, name in enumerate(STEPS):
        started = time.perf_counter()
        results.append(steps.run(name, work, name, order))
        SECONDS[number == 0].append(time.perf_counter() - started)
    return results

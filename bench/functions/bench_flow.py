"""The flow that each way runs, five trivial steps, and the loop that has it run and tells the time.

Knows no library: every way's process imports it.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

STEPS = ("reserve", "charge", "pack", "ship", "thank")


def work(name: str, order: dict[str, Any]) -> dict[str, Any]:
    """Do what each step does.

    Args:
        name: of the step.
        order: body of the request.
    """
    return {"step": name, "dishes": len(order["items"])}


def expected(order: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the flow comes to."""
    return [work(name, order) for name in STEPS]


def _nothing(_: list[str]) -> None:
    pass


def serve(
    run: Callable[[list[str], bool], None],
    *,
    before: Callable[[list[str]], None] = _nothing,
    after: Callable[[list[str]], None] = _nothing,
) -> None:
    """Run what each line of stdin names, and tell the seconds of CPU and of wall that it took.

    Args:
        run: takes names, and whether all may run at once; returns when all are through.
        before: takes the names before the time is taken.
        after: takes them after it.
    """
    for line in sys.stdin:
        asked = json.loads(line)
        named = asked["named"]
        before(named)
        wall, cpu = time.perf_counter(), time.process_time()
        run(named, asked["at_once"])
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        after(named)
        sys.stdout.write(f"{cpu} {wall}\n")
        sys.stdout.flush()

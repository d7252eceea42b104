"""Calls a function with an event for each line of stdin, and tells CPU and wall seconds of each call: `module`."""

import json
import sys
import time
from importlib import import_module

function = import_module(sys.argv[1])


class Context:
    """What Lambda tells of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Return what the function's time-out leaves."""
        return 300_000


for line in sys.stdin:
    event = json.loads(line)
    wall, cpu = time.perf_counter(), time.process_time()
    answer = function.handler(event, Context())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert answer == {"batchItemFailures": []}, answer
    sys.stdout.write(f"{cpu} {wall}\n")
    sys.stdout.flush()

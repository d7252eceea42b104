"""What Lambda's own Python runtime does, as far as a handler sees it: `python runtime.py module.function`.

Takes invocations as JSON lines on stdin and answers each with a line on stdout; a handler that raises is answered for,
one that ends the process is not.
"""

import importlib
import json
import sys
import time
import traceback
from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """Knows when the function is cut off."""

    end: float

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left."""
        return int((self.end - time.monotonic()) * 1000)


def main() -> None:
    """Serve until stdin ends."""
    module, _, name = sys.argv[1].rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        call = json.loads(line)
        try:
            answer = {"returned": handler(call["event"], Context(time.monotonic() + call["seconds"]))}
        except Exception as error:  # noqa: BLE001 - as the runtime does
            traceback.print_exc()
            answer = {"raised": type(error).__name__, "message": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

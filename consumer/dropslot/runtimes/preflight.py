"""Checks before a consumer starts that its handlers can be used, in a process of their own.

The supervisor must not import them itself: what they import would stay in its memory, and their threads beside its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from dropslot.core.errors import ConfigurationError
from dropslot.engine.handler import load_handlers
from dropslot.settings import Settings


def check_handlers(environment: Mapping[str, str]) -> None:
    """Import the handlers as a shard process would.

    Args:
        environment: of the consumer.

    Raises:
        ConfigurationError: for each handler that can't be used.
    """
    checked = subprocess.run(  # noqa: S603 - this very interpreter
        [sys.executable, "-m", __name__], env=dict(environment), stdout=subprocess.PIPE, text=True, check=False
    )
    if checked.returncode:
        last_line = checked.stdout.rpartition("\n")[2]
        try:
            faults = json.loads(last_line)
        except ValueError:
            faults = [f"importing the handlers ended the process with exit code {checked.returncode}"]
        raise ConfigurationError(*faults)


def main() -> int:
    """Load the handlers; print faults as a JSON list on the last line."""
    try:
        load_handlers(Settings.from_env(os.environ).handler)
    except ConfigurationError as wrong:
        sys.stdout.write("\n" + json.dumps(wrong.faults))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

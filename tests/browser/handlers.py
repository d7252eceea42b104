"""The kitchen of these tests: what it makes depends on the dish, and some dishes wait until the test opens a gate."""

import os
from pathlib import Path
from typing import Any, Final

from dropslot import Reject, Request, RetryLater

#: Variable with the folder of the gates: an order of the dish `held-1` waits until the file `held-1` is there.
GATES: Final = "CLIENTS_GATES"
HELD: Final = "held-"
GONE: Final = "gone"


def order(request: Request) -> dict[str, Any]:
    """Make a dish, when its gate is open."""
    (item,) = request.json()["items"]
    if item["dish"] == GONE:
        raise Reject(f"{GONE} is not on the menu")
    if item["dish"].startswith(HELD) and not (Path(os.environ[GATES]) / item["dish"]).exists():
        raise RetryLater("the gate is shut", after_seconds=0)
    return {"made": item["dish"]}

"""A handler that is mounted into the container, since the image's own are done in no time."""

import os
import time
import uuid
from pathlib import Path
from typing import Final

from dropslot import Request

#: Longer than it takes to see that it runs and to stop the container.
BUSY_SECONDS: Final = 3.0
BUSY_PREFIX: Final = "busy-"


def busy(_request: Request) -> dict[str, bool]:
    """Leave a file that says so, and take a while."""
    (Path(os.environ["DROPSLOT_STATE_DIR"]) / f"{BUSY_PREFIX}{uuid.uuid4().hex}").touch()
    time.sleep(BUSY_SECONDS)
    return {"finished": True}

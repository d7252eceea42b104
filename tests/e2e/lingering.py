"""A handler for two consumers at once: with every second request one of them lets the other be first."""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dropslot import Request
from dropslot.local.options import KCL, LAMBDA
from tests.e2e.handlers import digest

#: Variable with the consumer that runs this.
SIDE: Final = "E2E_SIDE"
#: Variable with the folder in which each side notes what it has begun.
BEGUN: Final = "E2E_BEGUN"
#: So begins the body of a request that both run.
BOTH: Final = "both"
#: How far behind the other consumer may be; less than the handlers' limit.
PATIENCE_SECONDS: Final = 20.0
#: In which who is first ends its run and writes the outcome.
_HEAD_START_SECONDS: Final = 1.5
_POLL_SECONDS: Final = 0.2


def handle(request: Request) -> Any:
    """Note the run, and perhaps let the other side be first: not by luck, however far apart the two are."""
    answer = digest(request)
    side, folder = os.environ[SIDE], Path(os.environ[BEGUN])
    name = hashlib.sha256(request.id.encode()).hexdigest()
    (folder / f"{name}-{side}").touch()
    first = (KCL, LAMBDA)[int(name, 16) % 2]
    if side != first and str(request.body).startswith(BOTH):
        _let_pass(folder / f"{name}-{first}")
    return answer


def _let_pass(begun: Path) -> None:
    deadline = time.time() + PATIENCE_SECONDS
    while time.time() < deadline:
        with suppress(FileNotFoundError):
            time.sleep(max(0.0, begun.stat().st_mtime + _HEAD_START_SECONDS - time.time()))
            return
        time.sleep(_POLL_SECONDS)

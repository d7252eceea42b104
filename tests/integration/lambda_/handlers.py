"""The user's side of these tests: one handler that does what the request's body says."""

import asyncio
import os
import time
from pathlib import Path

from dropslot import Reject, Request, RetryLater


def handle(request: Request) -> dict[str, object]:
    """Do what the body says, and note each run."""
    wish = request.json()
    with Path(os.environ["RUN_LOG"]).open("a") as log:
        log.write(f"{request.id} {request.attempt}\n")
    match wish["do"]:
        case "reject":
            raise Reject("as you wish")
        case "wait":
            raise RetryLater(after_seconds=0)
        case "die":
            os._exit(1)
        case "sleep":
            time.sleep(wish["seconds"])
    return {"did": wish["do"], "attempt": request.attempt}


async def handle_async(request: Request) -> dict[str, object]:
    """Do nothing, on a loop."""
    await asyncio.sleep(0)
    return {"id": request.id}

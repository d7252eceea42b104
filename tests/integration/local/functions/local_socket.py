"""Stands where the socket function is deployed: notes each event, and answers a handshake as its query asks."""

import json
import os
import time
from pathlib import Path
from typing import Any


def handler(event: dict[str, Any], context: Any) -> Any:
    """Serve one event."""
    line = json.dumps({"event": event, "pid": os.getpid(), "remaining_ms": context.get_remaining_time_in_millis()})
    log = os.open(os.environ["RUN_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(log, f"{line}\n".encode())
    finally:
        os.close(log)
    wish = event.get("queryStringParameters", {}).get("do") or _wish(event.get("body", ""))
    match wish:
        case "raise":
            raise RuntimeError("as you wish")
        case "nothing":
            return None
        case "die":
            os._exit(1)
        case "hang":
            while not Path(os.environ["RUN_LOG"]).with_name("go-on").exists():
                time.sleep(0.02)
        case "401":
            return {"statusCode": 401}
        case "subprotocol":
            return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "soup"}}
    return {"statusCode": 200}


def _wish(body: str) -> Any:
    try:
        return json.loads(body)["do"]
    except (ValueError, TypeError, KeyError):
        return None

"""Stands where the stream function is deployed: does what the records of its batch say, and notes each invocation."""

import base64
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any


def handler(event: dict[str, Any], context: Any) -> Any:
    """Serve one batch; a record's `do` comes to pass when its turn is reached."""
    log = Path(os.environ["RUN_LOG"])
    records = [
        (each["kinesis"]["sequenceNumber"], json.loads(base64.b64decode(each["kinesis"]["data"])))
        for each in event["Records"]
    ]
    note = {"numbers": [wish["n"] for _, wish in records], "pid": os.getpid()}
    note |= {
        "remaining_ms": context.get_remaining_time_in_millis(),
        "shard": event["Records"][0]["eventID"].split(":")[0],
    }
    seen = log.read_text()
    with log.open("a") as file:
        file.write(json.dumps(note) + "\n")
    failures = []
    for sequence_number, wish in records:
        match wish.get("do"):
            case "raise":
                raise RuntimeError("as you wish")
            case "die":
                os._exit(1)
            case "spawn":
                subprocess.Popen(["sleep", "600"])
                time.sleep(600)
            case "sleep":
                time.sleep(wish["seconds"])
            case "eat":
                hoard = bytearray(b"x" * (400 * 1024 * 1024))
                time.sleep(600)
                del hoard
            case "report":
                failures.append({"itemIdentifier": sequence_number})
            case "report once" if not seen:
                failures.append({"itemIdentifier": sequence_number})
            case "answer":
                return wish["value"]
    return {"batchItemFailures": failures}

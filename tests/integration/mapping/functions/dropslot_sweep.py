"""Stands where the sweep function is deployed: notes that it was called."""

import json
import os
from pathlib import Path
from typing import Any


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Note it."""
    with Path(os.environ["RUN_LOG"]).open("a") as file:
        file.write(json.dumps({"sweep": event["source"]}) + "\n")
    return {"redriven": 0}

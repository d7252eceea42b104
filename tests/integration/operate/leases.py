"""Leases and what else KCL keeps beside them, as it writes them, and an operator's looks at them."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import pytest

from dropslot.operate import lag
from tests.integration.operate.operator import run

WORKER: Final = "vm:ad291c63"
LEADER: Final[dict[str, Any]] = {
    "ownerName": {"S": WORKER},
    "recordVersionNumber": {"S": "f12d6fa1"},
    "leaseDuration": {"S": "120000"},
}
MIGRATION: Final[dict[str, Any]] = {
    "cv": {"S": "CLIENT_VERSION_3X"},
    "mb": {"S": WORKER},
    "mts": {"N": "1795479570026"},
}
STATISTICS: Final[dict[str, Any]] = {"lut": {"N": "1795479692"}, "sts": {"M": {}}, "opr": {"M": {}}}

#: What differs from run to run, and what is kept instead: as long, or columns would move.
_DIFFERENT: Final = (
    (r"\(process \d+\)", "(process 4711)"),
    (r"\b\d{56}\b", "49680510148520000000000000000000000000000000000000000002"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "2025-10-09 08:53:20Z"),
    (r"\"resolved_until_ms\": \d+", '"resolved_until_ms": 1760000000000'),
    (r"\b\d{3}\.\d s", "312.4 s"),
    (r"silent for \d{3} s", "silent for 600 s"),
)


def lease_item(shard: int, **attributes: Any) -> dict[str, Any]:
    """Return a lease as KCL 3.1.3 writes it."""
    return {
        "leaseKey": {"S": f"shardId-{shard:012}"},
        "leaseOwner": {"S": WORKER},
        "leaseCounter": {"N": "7"},
        "checkpoint": {"S": "TRIM_HORIZON"},
        "checkpointSubSequenceNumber": {"N": "0"},
        "ownerSwitchesSinceCheckpoint": {"N": "0"},
        **attributes,
    }


def meanwhile(happens: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this happen between the two looks of `dropslot lag`, which doesn't wait."""
    monkeypatch.setattr(lag, "show_lag", partial(_SHOW_LAG, pause=lambda _: happens()))


_SHOW_LAG: Final = lag.show_lag


def transcript(*words: str, **names: str) -> str:
    """Run a command and return what an operator sees, without what differs from run to run.

    Args:
        words: of the command.
        names: what to call things instead, by what to call them.
    """
    outcome = run(*words)
    shown = f"$ dropslot {' '.join(words)}\n{outcome.all}[exit code {outcome.code}]\n"
    for instead, name in names.items():
        shown = shown.replace(name, instead)
    for pattern, instead in _DIFFERENT:
        shown = re.sub(pattern, instead, shown)
    return shown

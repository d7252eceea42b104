"""Journals, and every write of one, for the tests of this suite."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from dropslot.core import journal_writes as writes
from dropslot.core.journal import Entry, JournalWrite, Key, Lease, Step
from tests.unit.core.images import ACCEPTED_AT_MS

KEY: Final = Key(id="caller#orders#one", accepted_at=ACCEPTED_AT_MS, run=0)
#: The owner, and one who wants to be.
OURS: Final = Lease(owner="a1", until_ms=ACCEPTED_AT_MS + 30_000)
THEIRS: Final = Lease(owner="b2", until_ms=ACCEPTED_AT_MS + 60_000)
LATER: Final = ACCEPTED_AT_MS + 90_000

Make = Callable[[Key, Lease], JournalWrite]


def step(name: str = "reserve", result: str = '{"reservation":1}', **fields: Any) -> Step:
    """Return a finished step."""
    return Step(name=name, result=result, at=ACCEPTED_AT_MS + 5, **fields)


def _release(key: Key, lease: Lease, **kept: Any) -> JournalWrite:
    return writes.release(key, lease.owner, **kept)


#: What a holder writes and goes on. Two steps are finished, so that there is one to be undone.
KEEPING: Final[dict[str, Make]] = {
    "renew": lambda key, lease: writes.renew(key, Lease(owner=lease.owner, until_ms=LATER)),
    "finish": partial(writes.finish, index=2, step=step("ship")),
    "turn": partial(writes.turn, error="ValueError: no such street"),
    "undone": partial(writes.undone, index=1, at_ms=LATER),
    "not_undone": partial(writes.not_undone, index=1, error="ValueError: too late"),
}
#: What a holder ends with.
ENDING: Final[dict[str, Make]] = {
    "release": _release,
    "release undo_tries": partial(_release, undo_tries=3),
    "close_done": lambda key, lease: writes.close_done(key, lease.owner, result='{"parcel":7}', ttl=1_900_000_000),
    "close_done None": lambda key, lease: writes.close_done(key, lease.owner, result=None, ttl=1_900_000_000),
    "close_failed": lambda key, lease: writes.close_failed(key, lease.owner, error="no such street"),
    "close_undone": lambda key, lease: writes.close_undone(key, lease.owner, error="no such street"),
    "close_stuck": lambda key, lease: writes.close_stuck(key, lease.owner, error="not undone: reserve"),
}
OWNED: Final[dict[str, Make]] = {**KEEPING, **ENDING}


def half_way(lease: Lease | None = OURS, /, **attributes: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return an item with two finished steps; `attributes` replace, add or (None) remove."""
    item: dict[str, dict[str, Any] | None] = {
        "id": {"S": KEY.id},
        "run": {"S": KEY.sort},
        "attempt": {"N": "1"},
        "began": {"N": "1"},
        "owner": {"S": lease.owner} if lease is not None else None,
        "lease_until": {"N": str(lease.until_ms)} if lease is not None else None,
        "steps": {"L": [_step("reserve", '{"reservation":1}'), _step("charge", "[2]")]},
        **attributes,
    }
    return {name: value for name, value in item.items() if value is not None}


def entry(**fields: Any) -> Entry:
    """Return what `half_way` says."""
    values: dict[str, Any] = {
        "key": KEY,
        "attempt": 1,
        "began": 1,
        "owner": OURS.owner,
        "lease_until": OURS.until_ms,
        "steps": (step(), step("charge", "[2]")),
        **fields,
    }
    return Entry(**values)


def _step(name: str, result: str) -> dict[str, Any]:
    return {"M": {"name": {"S": name}, "result": {"S": result}, "at": {"N": str(ACCEPTED_AT_MS + 5)}}}

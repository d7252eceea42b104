"""Reading items without the product's own rules, so that a rule that is wrong isn't checked by itself."""

from typing import Any

from dropslot.adapters.requests.rows import Item
from dropslot.core import names
from tests.simulation.life import Key


def resolved(item: Item | None, accepted_at: int, attempt: int) -> bool:
    """Tell whether a record of this generation and attempt needs nothing any more."""
    return (
        item is None
        or number(item, names.ACCEPTED_AT) != accepted_at
        or settled(item)
        or status(item) == "waiting"
        or number(item, names.ATTEMPT) > attempt
    )


def settled(item: Item) -> bool:
    """Tell whether an outcome is there."""
    return names.TTL in item or names.ERROR in item


def status(item: Item) -> str:
    """Return the status without its digit; "" if there is none."""
    status: Any = item.get(names.STATUS, {}).get("S", "")
    return str(status).partition("-")[0]


def number(item: Item, name: str) -> int:
    """Return a number; 0 if it is not there."""
    return int(item[name]["N"]) if name in item else 0


def key_of(item: Item) -> Key:
    """Return id and generation."""
    return str(item[names.ID]["S"]), number(item, names.ACCEPTED_AT)


class Brief:
    """An item in words, which are only found when somebody asks.

    Args:
        item: it; None for none.
    """

    __slots__ = ("_item",)

    def __init__(self, item: Item | None) -> None:
        self._item = item

    def __str__(self) -> str:
        item = self._item
        if item is None:
            return "gone"
        extra = "".join(
            f" {name}={number(item, name)}" for name in (names.ATTEMPT, names.TRIES, names.STARTS, names.DUE_AT)
        )
        return f"{status(item) or 'no status'}{extra}"

"""The promises about operators: what they may redrive, what they are told, and that nothing comes back by itself."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from dropslot.adapters.requests.rows import Item
from dropslot.core import names
from dropslot.core.transitions import Insert, Write
from dropslot.operate.redrive import Fate
from tests.simulation import items
from tests.simulation.holder import Holder
from tests.simulation.life import Key, Life
from tests.simulation.operator import Operator
from tests.simulation.promises import Promises

if TYPE_CHECKING:
    from tests.simulation.world import World

#: What is weaker with them, by name.
REUSED: Final = "restored under an attempt that it has had"
#: What a request keeps when it is restored; only what it was accepted with.
_ACCEPTED: Final = (names.ID, names.REQUEST, names.TYPE, names.CONTENT_TYPE, names.ACCEPTED_AT)


class OperationChecker:
    """Sees every settled or deleted request that is to run again.

    Args:
        world: everything.
        lives: all requests.
        promises: what is demanded.
    """

    def __init__(self, world: "World", lives: dict[Key, Life], promises: Promises) -> None:
        self._world = world
        self._lives = lives
        self._demand = promises.demand
        #: What was met that only one of these weaknesses allows.
        self.weaknesses: set[str] = set()

    def written(self, write: Write | Insert, holder: Holder) -> None:
        """Note a write that was made."""
        if isinstance(holder, Operator):
            holder.made[write.transition] += 1
            key = items.key_of(self._world.table.items[write.id])
            once = write.transition == "restore" or key not in holder.redriven
            self._demand(once, "a replay redrives a request once", write.id, f"{holder.name}: {write.transition} again")
            holder.redriven.add(key)
            if write.transition == "redrive":
                self._struck(write)

    def writing(self, write: Write | Insert, holder: Holder) -> None:
        """Check whether a write may come from there at all."""
        if isinstance(holder, Operator):
            self._demand(
                holder.may(write), "a command does what it says", write.id, f"{holder.name} sends {write.transition}"
            )

    def revived(self, life: Life, old: Item, new: Item, write: Write | Insert, holder: Holder) -> None:
        """Check a settled request that is pending again."""
        request_id, attempt = life.key[0], items.number(new, names.ATTEMPT)
        before = items.number(old, names.ATTEMPT)
        became = f"{items.Brief(old)} became {items.Brief(new)}"
        self._demand(isinstance(holder, Operator), "settled stays settled", request_id, became)
        assert isinstance(holder, Operator)
        was = items.status(old)
        expected = {"failed": "retry", "done": "force"}.get(was)
        self._demand(
            write.transition == expected and items.status(new) == "pending", "settled stays settled", request_id, became
        )
        self._demand(attempt == before + 1, "a redrive is the next attempt", request_id, became)
        self._demand(
            holder.means((request_id, life.key[1], before, error_of(old))),
            "operators redrive what they have seen",
            request_id,
            f"{holder.name} hasn't seen it as {items.Brief(old)}, or only after it was asked",
        )
        if was == "failed":
            kept = new.get(names.LAST_ERROR) == old[names.ERROR]
            self._demand(kept, "an error that was retried is kept", request_id, became)
        self._fresh(life, new, forced=was == "done")
        self._struck(write)

    def restored(self, new: Item, write: Write | Insert, holder: Holder) -> None:
        """Check an item that appeared and that no client sent."""
        key = items.key_of(new)
        life = self._lives.get(key)
        forced = isinstance(holder, Operator) and write.transition == "restore"
        self._demand(forced, "no ghost", key[0], "an item appeared that no client sent")
        self._demand(life is not None, "no ghost", key[0], "an item was restored that never was")
        assert life is not None
        assert isinstance(holder, Operator)
        there = [other for other in self._lives.values() if other.key[0] == key[0] and other.deleted_at is None]
        self._demand(not there, "only what is gone is restored", key[0], "there is one with its id")
        for name in _ACCEPTED:
            self._demand(life.accepted.get(name) == new.get(name), "a request stays what it is", key[0], name)
        attempt = items.number(new, names.ATTEMPT)
        self._demand(key not in holder.deleted, "what was deleted stays so", key[0], "it was known to be deleted")
        # It can't know more than the records that it has read.
        self._demand(attempt > holder.heard[key], "attempt never falls", key[0], f"{holder.heard[key]}, then {attempt}")
        if attempt <= life.attempt:
            self.weaknesses.add(REUSED)
            life.reused = True
            for had in range(attempt, life.attempt + 1):
                life.left_pending.pop(had, None)
        life.deleted_at = None
        self._fresh(life, new, forced=True)
        self._struck(write)

    @contextmanager
    def told(self, operator: Operator, fates: Counter[Fate], *, goes_on: bool = False) -> Iterator[None]:
        """Check what a command says that it has done, if the table has answered it; also after Ctrl-C.

        Args:
            operator: who is told.
            fates: what the command counts while the block runs.
            goes_on: with a replay that was cut short: it can't know by whom its requests were redriven since.
        """
        try:
            yield
        except asyncio.CancelledError:
            self._demand_told(operator, fates, goes_on=goes_on)
            raise
        self._demand_told(operator, fates, goes_on=goes_on)

    def deleted(self) -> None:
        """Note a request that was deleted on purpose."""
        self._world.faults.struck.add("operator_delete")

    def _demand_told(self, operator: Operator, fates: Counter[Fate], *, goes_on: bool) -> None:
        told, made = fates[Fate.REDRIVEN], operator.made.total()
        if self._world.plan.answers and not goes_on:
            self._demand(told == made, "operators are told", "", f"{operator.name}: {told} redriven, not {made}")

    def _fresh(self, life: Life, new: Item, *, forced: bool) -> None:
        """Note that a request starts all over; what its handler did before a forced redrive doesn't count any more."""
        request_id, attempt = life.key[0], items.number(new, names.ATTEMPT)
        for name in (names.TRIES, names.STARTS):
            self._demand(not items.number(new, name), "an operator's redrive starts afresh", request_id, name)
        self._demand(names.RESULT not in new, "an operator's redrive starts afresh", request_id, names.RESULT)
        if forced:
            floor = items.number(new, names.FLOOR)
            self._demand(floor == attempt, "forced redrives have a floor", request_id, f"{floor}, attempt {attempt}")
            life.floor = attempt
            life.successes = 0
        life.attempt = attempt
        life.operated += 1
        life.operated_attempt = attempt
        life.counted.clear()
        life.parked = False
        life.rest_graces = 1
        life.settled_at = None
        life.changed_at = self._world.loop.time()

    def _struck(self, write: Write | Insert) -> None:
        self._world.faults.struck.add(f"operator_{write.transition}")


def error_of(item: Item) -> str:
    """Return why a request failed, "" if it hasn't."""
    return str(item.get(names.ERROR, {}).get("S", ""))

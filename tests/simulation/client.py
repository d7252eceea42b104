"""Clients: send requests, repeat them, use an id again after its request was deleted; and the table's time to live."""

import random
from typing import TYPE_CHECKING

from dropslot.adapters.requests.rows import Item, attribute
from dropslot.core import names
from tests.simulation.loop import EPOCH_MS

if TYPE_CHECKING:
    from tests.simulation.world import World


class Clients:
    """All clients of a schedule.

    Args:
        world: everything around them.
    """

    def __init__(self, world: "World") -> None:
        self._world = world

    def schedule(self) -> None:
        """Decide when who sends what."""
        plan, source = self._world.plan, self._world.random
        for number in range(plan.requests):
            request_id = f"-#orders#{number}"
            at = source.uniform(0, plan.arrivals_seconds)
            self._at(at, request_id, "body")
            while "repeats" in plan.faults and source.random() < 0.5:
                at += source.choice((0.0, 1.0, 10.0, 60.0))
                self._at(at, request_id, source.choice(("body", "body", "other")))

    def accept(self, request_id: str, body: str) -> None:
        """Do what the API's one UpdateItem does."""
        world = self._world
        old = world.table.items.get(request_id)
        if old is not None:
            world.faults.struck.add("repeats")
        if old is not None and old.get(names.REQUEST) != {"S": body}:
            return  # 422
        world.checker.actor = "client"
        if old is None:
            status = names.stored_status(names.PENDING, world.random.choice(names.SPREAD_DIGITS))
            now_ms = world.loop.now_ms()
            type_name = world.sagas.draw_type()
            values: dict[str, str | int] = {
                names.ID: request_id,
                names.REQUEST: body,
                names.TYPE: type_name,
                names.CONTENT_TYPE: "application/json",
                names.ACCEPTED_AT: now_ms,
                names.ATTEMPT: 0,
                names.TRIES: 0,
                names.STATUS: status,
                names.QUEUE: status,
                names.DUE_AT: now_ms,
            }
            world.table.put({name: attribute(value) for name, value in values.items()})
        else:
            world.table.put({**old, names.QUEUE: old[names.STATUS]})
        world.checker.actor = ""

    def settled(self, item: Item) -> None:
        """Have a done request deleted some time after its `ttl`, and its id used again."""
        world = self._world
        if "expiry" not in world.plan.faults:
            return
        ttl = item[names.TTL]
        at = int(ttl["N"]) - EPOCH_MS / 1000 + world.random.choice((0.5, 3.0, 15.0)) * world.random.random()
        world.loop.call_at(at, self._expire, item[names.ID]["S"], ttl, context=world.nobody)

    def _expire(self, request_id: str, ttl: dict[str, str]) -> None:
        world = self._world
        item = world.table.items.get(request_id)
        if item is None or item.get(names.TTL) != ttl:
            return
        world.faults.struck.add("expiry")
        world.checker.actor = "expiry"
        world.table.delete(request_id)
        world.checker.actor = ""
        self.use_again(request_id, world.random)

    def use_again(self, request_id: str, source: random.Random) -> None:
        """Have the id of a deleted request used again."""
        again_at = self._world.loop.time() + source.choice((0.05, 1.0, 5.0))
        if again_at < self._world.plan.quiet_at and source.random() < 0.8:
            self._at(again_at, request_id, source.choice(("body", "another")))

    def _at(self, at: float, request_id: str, body: str) -> None:
        self._world.loop.call_at(at, self.accept, request_id, body, context=self._world.nobody)

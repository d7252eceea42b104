"""The promises, checked at every change, run and checkpoint; written without the product's own rules."""

from typing import TYPE_CHECKING, Final

from dropslot.adapters.requests.rows import Item
from dropslot.core import names
from dropslot.core.policy import KILLED_ITS_WORKER, Ending, Raised, Returned, TimedOut
from dropslot.core.transitions import Equals, Write
from dropslot.engine.ports import WriteResult
from tests.simulation import items
from tests.simulation.history import ViolationError
from tests.simulation.life import Key, Life, Run
from tests.simulation.loop import Image
from tests.simulation.reader import Lease
from tests.simulation.worker import SWEEP_GRACE_MS

if TYPE_CHECKING:
    from tests.simulation.world import World

#: How often a request may take its worker down before it is failed: once unsuspected, twice counted.
KILLS_MAX: Final = 3
#: How often the sweep's patience with a pending request doubles.
DOUBLINGS_MAX: Final = 6
#: What never changes while a request lives.
_FIXED: Final = (names.ID, names.REQUEST, names.TYPE, names.ACCEPTED_AT)


class Checker:
    """Sees everything; raises `ViolationError` at the first broken promise.

    Args:
        world: everything.
        promises: the only ones to demand; None for all.
    """

    def __init__(self, world: "World", promises: frozenset[str] | None = None) -> None:
        self._world = world
        self._promises = promises
        self.lives: dict[Key, Life] = {}
        #: Who is changing the table: "" for the consumers and the sweep.
        self.actor = ""
        self._returned: dict[Image, list[Life]] = {}
        #: The first that was found; the code that is checked may swallow it.
        self.violation: ViolationError | None = None

    # The table.

    def changed(self, old: Item | None, new: Item | None) -> None:
        """Check a change of the table."""
        image = new if new is not None else old
        assert image is not None
        key = items.key_of(image)
        if self._world.tracing or new is not None:
            self._world.history.note(self.actor or "changed", key[0], items.brief(new))
        if new is None:
            self._deleted(key, image)
        elif old is None:
            self._demand(self.actor == "client", "no ghost", key[0], "an item appeared that no client sent")
            self.lives[key] = Life(key, self._world.loop.time())
        elif self.actor != "client":
            self._moved(key, old, new)
        else:
            self._repeated(key, old, new)

    def written(self, write: Write, result: WriteResult, image: Image) -> None:
        """Check what the table answered to a write.

        Args:
            write: the write.
            result: the answer.
            image: the process that sent it.
        """
        self._world.history.note(f"{write.transition} {result.value}", write.id)
        if result is WriteResult.APPLIED:
            self._applied(write, self.lives[items.key_of(self._world.table.items[write.id])], image)
        if write.transition != names.DONE or result is not WriteResult.REFUSED:
            return
        item = self._world.table.items.get(write.id)
        meant = [c.value for c in write.conditions if isinstance(c, Equals) and c.name == names.ACCEPTED_AT]
        if item is not None and meant and item.get(names.ACCEPTED_AT) == {"N": str(meant[0])}:
            settled = names.TTL in item or names.ERROR in item
            self._demand(settled, "success counts", write.id, "a success was refused though nothing was settled")

    def _applied(self, write: Write, life: Life, image: Image) -> None:
        if write.transition == "suspect":
            life.counted.append(image)
        elif write.sets.get(names.ERROR) == KILLED_ITS_WORKER and image.in_charge:
            gone = sum(not before.in_charge for before in life.counted)
            self._demand(gone >= KILLS_MAX - 1, "blame has a cause", life.key[0], f"{gone} of its processes are gone")

    def _deleted(self, key: Key, old: Item) -> None:
        self._demand(self.actor == "expiry", "accepted is never lost", key[0], "the item was deleted")
        life = self.lives.get(key)
        if life is not None:
            life.deleted_at = self._world.loop.time()
        self._demand(names.TTL in old, "accepted is never lost", key[0], "an unsettled item was deleted")

    def _repeated(self, key: Key, old: Item, new: Item) -> None:
        same = {name: value for name, value in new.items() if name != names.QUEUE}
        before = {name: value for name, value in old.items() if name != names.QUEUE}
        self._demand(
            same == before, "a repeat changes nothing", key[0], f"{items.brief(old)} became {items.brief(new)}"
        )

    def _moved(self, key: Key, old: Item, new: Item) -> None:
        request_id = key[0]
        self._demand(names.REQUEST in new, "no ghost", request_id, "an item without a request")
        for name in _FIXED:
            self._demand(old.get(name) == new.get(name), "a request stays what it is", request_id, f"{name} changed")
        was, status = items.status(old), items.status(new)
        if items.settled(old):
            # Only a repeat by the client may touch it, and an operator.
            self._demand(False, "settled stays settled", request_id, f"{items.brief(old)} became {items.brief(new)}")
        before, attempt = items.number(old, names.ATTEMPT), items.number(new, names.ATTEMPT)
        self._demand(attempt >= before, "attempt never falls", request_id, f"{before} became {attempt}")
        self._check_shape(request_id, status, new)
        life = self.lives[key]
        life.attempt = attempt
        match was, status:
            case (("pending" | "waiting"), "done"):
                self._left_pending(life, before, status, life.successes)
            case "pending", "failed":
                killed = new[names.ERROR]["S"] == KILLED_ITS_WORKER
                self._left_pending(life, before, status, killed or life.errors or life.passing)
            case "pending", "waiting":
                life.waits += 1
                life.rest_graces = 1
                self._left_pending(life, before, status, life.passing)
            case (("pending" | "waiting"), "pending") if attempt == before + 1:
                self._redriven(life, was, old)
            case "pending", "pending" if attempt == before:  # a start was counted, or taken back
                life.rest_graces = 0  # how long that write was on its way can't be told
                life.taken_back += items.number(new, names.STARTS) < items.number(old, names.STARTS)
            case _:
                self._demand(
                    False, "only known transitions", request_id, f"{items.brief(old)} became {items.brief(new)}"
                )
        life.changed_at = self._world.loop.time()

    def _left_pending(self, life: Life, attempt: int, status: str, cause: object) -> None:
        self._demand(cause, "outcomes come from runs", life.key[0], f"{status} without a run of it that ended so")
        if status != "waiting":
            before = life.left_pending.get(attempt)
            # A late success may follow a wait.
            self._demand(before in {None, "waiting"}, "one outcome an attempt", life.key[0], f"{before}, then {status}")
            life.settled_at = self._world.loop.time()
        else:
            self._demand(attempt not in life.left_pending, "one outcome an attempt", life.key[0], "waited twice")
        life.left_pending[attempt] = status

    def _redriven(self, life: Life, was: str, old: Item) -> None:
        life.redrives += 1
        due_at = items.number(old, names.DUE_AT) + (SWEEP_GRACE_MS if was == "pending" else 0)
        early = due_at - self._world.loop.now_ms()
        self._demand(early <= 0, "redriven when due", life.key[0], f"{was}, redriven {early} ms early")
        if was == "pending":
            rested_ms = 1000 * (self._world.loop.time() - life.changed_at)
            # The sweep counts from when it decided, in whole milliseconds.
            on_its_way_ms = 1000 * self._world.plan.latency_max_seconds + 1
            least_ms = life.rest_graces * SWEEP_GRACE_MS
            rare = rested_ms >= least_ms - on_its_way_ms
            self._demand(rare, "redrives grow rarer", life.key[0], f"after {rested_ms:.0f} ms, not {least_ms}")
            life.overdue += 1
            life.rest_graces = 1 << min(life.overdue - 1, DOUBLINGS_MAX)

    def _check_shape(self, request_id: str, status: str, item: Item) -> None:
        self._demand((names.TTL in item) == (status == "done"), "well-formed", request_id, f"{status}, ttl or none")
        self._demand(
            (names.ERROR in item) == (status == "failed"), "well-formed", request_id, f"{status}, error or none"
        )
        queue = item.get(names.QUEUE)
        expected = None if status == "done" else item[names.STATUS]
        self._demand(queue == expected, "well-formed", request_id, f"{status}, queue {queue}")

    # The handlers.

    def called(self, key: Key, run: Run) -> None:
        """Note a call of a handler."""
        self._world.history.note("handler starts", key[0], f"attempt {run.attempt} in {run.image.name}")

    def started(self, key: Key, run: Run) -> None:
        """Check the start of a run; its first call was noted."""
        life = self.lives.get(key)
        self._demand(life is not None, "only what was accepted runs", key[0], "a handler runs for something unknown")
        assert life is not None
        for before in life.runs:
            if before.image is run.image:
                news = run.attempt > before.attempt
                self._demand(news, "a process runs an attempt once", key[0], f"attempt {run.attempt} again")
            if run.image.in_charge:
                self._demand_need(life, before, run.attempt)
        life.runs.append(run)
        if life.waits:
            self._returned.setdefault(run.image, []).append(life)
        over_at = life.settled_at if life.settled_at is not None else life.deleted_at
        if over_at is not None:
            since = self._world.loop.time() - over_at - run.image.frozen_seconds
            known = since <= self._world.known_for_seconds
            self._demand(known, "settled requests don't run", key[0], f"it was settled {since:.1f} s before")

    def _demand_need(self, life: Life, before: Run, attempt: int) -> None:
        """Demand that a run before this one left something to do."""
        failed = before.ending in {"error", "passing"}
        needed = not before.image.in_charge or (failed and attempt > before.attempt)
        promise = "a success isn't repeated" if before.ending == "success" else "few runs"
        self._demand(needed, promise, life.key[0], f"{before.image.name}: {before.ending or 'still at it'}")

    def ended(self, key: Key, run: Run, ending: Ending, *, late: bool = False) -> None:
        """Note how a handler ended."""
        self._world.history.note("handler ends", key[0], ending)
        life = self.lives[key]
        if isinstance(ending, TimedOut) or (
            isinstance(ending, Raised) and type(ending.error).__name__ in {"RetryLater", "TimeoutError"}
        ):
            kind = "passing"
            life.passing += 1
        elif isinstance(ending, Returned) and not isinstance(ending.value, str):
            kind = "success"
            life.successes += 1
        else:
            kind = "error"
            life.errors += 1
        if not late:
            run.ending = kind

    def killed(self, key: Key, run: Run) -> None:
        """Count a process that died of a request."""
        life = self.lives[key]
        if not run.image.in_charge:
            return
        life.kills += 1
        # Only its own redrives may have made it look as if nobody could have started it, and others that had waited,
        # came back and ran before it in the same process: they look like those that the process before had started.
        life.hidden += any(other is not life for other in self._returned.get(run.image, ()))
        bound = KILLS_MAX + life.taken_back + life.redrives + life.hidden
        self._demand(life.kills <= bound, "poison costs three restarts", key[0], f"{life.kills} processes died of it")

    # The checkpoints.

    def checkpointed(self, lease: Lease, reached: int, delivered: int, *, ended: bool) -> None:
        """Check a checkpoint before it is written."""
        self._world.history.note("checkpoint", detail=f"{lease.shard.id} {reached}{' and end' if ended else ''}")
        self._demand(lease.checkpoint <= reached <= delivered, "checkpoints move on", "", f"{reached} of {delivered}")
        if ended:
            last = lease.shard.records[-1].sequence_number if lease.shard.records else 0
            self._demand(lease.shard.closed and reached == last, "ends at the end", "", lease.shard.id)
        for record in lease.shard.records:
            if lease.checkpoint < record.sequence_number <= reached and record.asks:
                item = self._world.table.items.get(record.id)
                self._demand(
                    items.resolved(item, record.accepted_at, record.attempt),
                    "checkpoints pass nothing unresolved",
                    record.id,
                    f"record {record.sequence_number} of attempt {record.attempt} in {lease.shard.id}",
                )

    # The end.

    def finish(self) -> None:
        """Check what holds at the end, when all is settled."""
        world = self._world
        for life in self.lives.values():
            if life.key in world.scripts.poisonous and life.settled_at is not None:
                item = world.table.items.get(life.key[0])
                failed = item is not None and names.ERROR in item
                self._demand(failed, "poison fails", life.key[0], "a request that never returned is not failed")

    def unsettled(self) -> list[Key]:
        """Return what still has to be settled."""
        return [key for key, life in self.lives.items() if life.settled_at is None]

    def _demand(self, holds: object, invariant: str, about: str, what: str) -> None:
        if not holds and (self._promises is None or invariant in self._promises):
            self.violation = self.violation or ViolationError(invariant, about, what)
            raise self.violation


def known_for_seconds(fresh_ms: float, latency_max_seconds: float) -> float:
    """Return how long after its settlement a request may still be started: as long as what was read counts as known.

    Args:
        fresh_ms: how long a record or a read counts.
        latency_max_seconds: one way to the table or back.
    """
    return fresh_ms / 1000 + 2 * latency_max_seconds + 0.1

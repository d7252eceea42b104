"""The promises, checked at every change and checkpoint; written without the product's own rules."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dropslot.adapters.requests.rows import Item
from dropslot.core import names
from dropslot.core.policy import KILLED_ITS_WORKER
from dropslot.core.transitions import AbsentOrAtMost, Equals, Insert, Write
from dropslot.engine.ports import WriteResult
from tests.simulation import items, sagas
from tests.simulation.feed import Record
from tests.simulation.holder import Holder
from tests.simulation.invocation import Invocation
from tests.simulation.life import Key, Life
from tests.simulation.operations import OperationChecker
from tests.simulation.process import LOST_HANDLERS_MAX
from tests.simulation.promises import Promises
from tests.simulation.reader import Lease
from tests.simulation.runs import RunChecker
from tests.simulation.worker import SWEEP_GRACE_MS

if TYPE_CHECKING:
    from tests.simulation.world import World

#: How often the sweep's patience with a pending request doubles.
DOUBLINGS_MAX: Final = 6
#: What never changes while a request lives.
_FIXED: Final = (names.ID, names.REQUEST, names.TYPE, names.ACCEPTED_AT)


class Checker:
    """Sees everything; raises `ViolationError` at the first broken promise.

    Args:
        world: everything.
        promises: what is demanded.
    """

    def __init__(self, world: "World", promises: Promises) -> None:
        self._world = world
        self._demand = promises.demand
        self.lives: dict[Key, Life] = {}
        self.runs = RunChecker(world, self.lives, promises)
        self.operations = OperationChecker(world, self.lives, promises)
        #: Who is changing the table: "" for all that is a transition.
        self.actor = ""
        self._write: tuple[Write | Insert, Holder] | None = None
        self._open = 0
        #: The outcomes of each consumer.
        self.outcomes: Counter[str] = Counter()

    # The table.

    def changed(self, old: Item | None, new: Item | None) -> None:
        """Check a change of the table."""
        image = new if new is not None else old
        assert image is not None
        key = items.key_of(image)
        if self._world.tracing or new is not None:
            self._world.history.note(self.actor or "changed", key[0], items.Brief(new))
        if new is None:
            self._deleted(key, image)
        elif old is None:
            if self.actor == "client":
                stepped = new[names.TYPE] == {"S": sagas.TYPE}
                self.lives[key] = Life(key, new, self._world.loop.time(), stepped=stepped)
            else:
                assert self._write is not None
                self.operations.restored(new, *self._write)
            self._open += 1
        elif self.actor != "client":
            self._moved(key, old, new)
        else:
            self._repeated(key, old, new)

    def writing(self, write: Write | Insert, holder: Holder) -> None:
        """See `Watcher.writing`."""
        self._write = write, holder
        self.operations.writing(write, holder)

    def written(self, write: Write | Insert, result: WriteResult, holder: Holder) -> None:
        """See `Watcher.written`."""
        self._world.history.note(f"{write.transition} {result.value}", write.id)
        if result is WriteResult.APPLIED:
            self.operations.written(write, holder)
        if isinstance(write, Insert):
            return
        if result is WriteResult.APPLIED:
            self._applied(write, self.lives[items.key_of(self._world.table.items[write.id])], holder)
        if write.transition != names.DONE or result is not WriteResult.REFUSED:
            return
        item = self._world.table.items.get(write.id)
        meant = [c.value for c in write.conditions if isinstance(c, Equals) and c.name == names.ACCEPTED_AT]
        if item is not None and meant and item.get(names.ACCEPTED_AT) == {"N": str(meant[0])}:
            attempts = [c.value for c in write.conditions if isinstance(c, AbsentOrAtMost) and c.name == names.FLOOR]
            over = items.settled(item) or any(items.number(item, names.FLOOR) > attempt for attempt in attempts)
            self._demand(over, "success counts", write.id, "a success was refused though nothing was settled")

    def _applied(self, write: Write, life: Life, holder: Holder) -> None:
        if write.transition == "suspect":
            # A repeat, after an answer was lost, counts the same start.
            if not (life.counted and life.counted[-1] is holder and life.counted_attempt == life.attempt):
                life.counted.append(holder)
            life.counted_attempt = life.attempt
        elif write.transition == "clear":
            # Of a function that was frozen meanwhile, the next invocation sends it.
            life.counted.remove(holder if holder in life.counted else life.counted[-1])
        elif write.sets.get(names.ERROR) == KILLED_ITS_WORKER and not life.stepped:  # that waits until it is undone
            self.runs.blamed(life, holder)
        elif write.transition == names.WAITING and life.parked and not life.stepped:
            self.runs.parked(life, holder)
        if write.transition in {names.DONE, names.FAILED}:
            self.outcomes[holder.consumer] += 1

    def _deleted(self, key: Key, old: Item) -> None:
        life = self.lives[key]
        life.deleted_at = self._world.loop.time()
        if self.actor == "operator":
            self._open -= life.settled_at is None
            self.operations.deleted()
            return
        self._demand(self.actor == "expiry", "accepted is never lost", key[0], "the item was deleted")
        self._demand(names.TTL in old, "accepted is never lost", key[0], "an unsettled item was deleted")

    def _repeated(self, key: Key, old: Item, new: Item) -> None:
        same = {name: value for name, value in new.items() if name != names.QUEUE}
        before = {name: value for name, value in old.items() if name != names.QUEUE}
        self._demand(
            same == before, "a repeat changes nothing", key[0], f"{items.Brief(old)} became {items.Brief(new)}"
        )

    def _moved(self, key: Key, old: Item, new: Item) -> None:
        request_id = key[0]
        self._demand(names.REQUEST in new, "no ghost", request_id, "an item without a request")
        for name in _FIXED:
            self._demand(old.get(name) == new.get(name), "a request stays what it is", request_id, f"{name} changed")
        was, status = items.status(old), items.status(new)
        before, attempt = items.number(old, names.ATTEMPT), items.number(new, names.ATTEMPT)
        self._demand(attempt >= before, "attempt never falls", request_id, f"{before} became {attempt}")
        self._check_shape(request_id, status, new)
        life = self.lives[key]
        if items.settled(old):  # only a repeat by the client may touch it, and an operator
            assert self._write is not None
            self.operations.revived(life, old, new, *self._write)
            self._open += 1
            return
        life.attempt = attempt
        match was, status:
            case (("pending" | "waiting"), "done"):
                self._left_pending(life, before, status, life.successes)
            case "pending", "failed":
                killed = new[names.ERROR]["S"] == KILLED_ITS_WORKER
                self._left_pending(life, before, status, killed or life.errors or life.passing)
            case "pending", "waiting":
                life.waits += 1
                if names.STARTS not in new:
                    life.counted.clear()
                life.rest_graces = 1
                life.parked = items.number(new, names.TRIES) == items.number(old, names.TRIES)
                self._left_pending(life, before, status, life.passing or life.parked)
            case (("pending" | "waiting"), "pending") if attempt == before + 1:
                self._redriven(life, was, old)
            case "pending", "pending" if attempt == before:  # a start was counted, or taken back
                life.rest_graces = 0  # how long that write was on its way can't be told
                life.taken_back += items.number(new, names.STARTS) < items.number(old, names.STARTS)
            case _:
                self._demand(
                    False, "only known transitions", request_id, f"{items.Brief(old)} became {items.Brief(new)}"
                )
        life.changed_at = self._world.loop.time()

    def _left_pending(self, life: Life, attempt: int, status: str, cause: object) -> None:
        self._demand(
            cause or life.stepped, "outcomes come from runs", life.key[0], f"{status} without a run of it that ended so"
        )
        if status != "waiting":
            before = life.left_pending.get(attempt)
            # A late success may follow a wait.
            self._demand(before in {None, "waiting"}, "one outcome an attempt", life.key[0], f"{before}, then {status}")
            self._open -= life.settled_at is None
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

    # The checkpoints.

    def checkpointed(self, lease: Lease, reached: int, delivered: int, *, ended: bool) -> None:
        """Check a checkpoint before it is written."""
        self._world.history.note("checkpoint", detail=f"{lease.shard.id} {reached}{' and end' if ended else ''}")
        self._demand(lease.checkpoint <= reached <= delivered, "checkpoints move on", "", f"{reached} of {delivered}")
        if ended:
            last = lease.shard.records[-1].sequence_number if lease.shard.records else 0
            self._demand(lease.shard.closed and reached == last, "ends at the end", "", lease.shard.id)
        passed = [one for one in lease.shard.records if lease.checkpoint < one.sequence_number <= reached]
        self._demand_resolved("checkpoints pass nothing unresolved", passed, lease.shard.id)

    # The functions.

    def refused(self, record: Record) -> None:
        """Check a record that the mapping's filters keep from the function."""
        self._demand(not record.asks, "filters pass what asks", record.id, f"record {record.sequence_number}")

    def answered(self, invocation: Invocation, resolved: int, *, hanging: int) -> None:
        """Check what a function answered.

        Args:
            invocation: whose answer it is.
            resolved: how many of its records are, from the first on.
            hanging: handlers that had passed their limit and not returned when it began.
        """
        self._world.history.note("answer", detail=f"{invocation.name}: {resolved} of {len(invocation.records)}")
        for record in invocation.records[resolved:]:
            self.runs.given_back((record.id, record.accepted_at), invocation)
        few = hanging < LOST_HANDLERS_MAX
        self._demand(few, "hanging handlers end their process", "", f"{invocation.name} began with {hanging}")
        self._demand_resolved("answers pass nothing unresolved", invocation.records[:resolved], invocation.name)

    def cut_off(self, invocation: Invocation) -> None:
        """Check a function that didn't answer in time."""
        stood_still = invocation.frozen_seconds > 0
        self._demand(stood_still, "functions answer in time", "", f"{invocation.name} was cut off")

    def _demand_resolved(self, promise: str, records: Sequence[Record], place: str) -> None:
        for record in records:
            life = self.lives.get((record.id, record.accepted_at))
            # What another worker has the steps of is passed, and left to that worker, or to the sweep; and so is what a
            # worker may have lost while the journal didn't answer.
            taken = (
                life is not None
                and life.stepped
                and (self._world.sagas.is_taken(life.key) or not self._world.plan.answers)
            )
            if record.asks and life is not None and not life.reused and not taken:
                item = self._world.table.items.get(record.id)
                self._demand(
                    items.resolved(item, record.accepted_at, record.attempt),
                    promise,
                    record.id,
                    f"record {record.sequence_number} of attempt {record.attempt} in {place}",
                )

    # The end.

    def finish(self) -> None:
        """Check what holds at the end, when all is settled."""
        world = self._world
        for life in self.lives.values():
            if life.key in world.scripts.poisonous and life.settled_at is not None and life.deleted_at is None:
                item = world.table.items.get(life.key[0])
                failed = item is not None and names.ERROR in item
                self._demand(failed, "poison fails", life.key[0], "a request that never returned is not failed")

    def all_settled(self) -> bool:
        """Tell whether nothing has to be settled any more."""
        return not self._open

    def is_open(self, key: Key) -> bool:
        """Tell whether a request is gone, or was never settled."""
        life = self.lives[key]
        return life.settled_at is None or life.deleted_at is not None

    def unsettled(self) -> list[Key]:
        """Return what still has to be settled."""
        return [key for key, life in self.lives.items() if life.settled_at is None and life.deleted_at is None]


def known_for_seconds(fresh_ms: float, latency_max_seconds: float) -> float:
    """Return how long after its settlement a request may still be started: as long as what was read counts as known.

    Args:
        fresh_ms: how long a record or a read counts.
        latency_max_seconds: one way to the table or back.
    """
    return fresh_ms / 1000 + 2 * latency_max_seconds + 0.1

"""The promises, checked at every change, run and checkpoint; written without the product's own rules."""

from typing import TYPE_CHECKING, Final

from dropslot.adapters.requests.rows import Item
from dropslot.core import names
from dropslot.core.policy import KILLED_ITS_WORKER, Ending, Returned, TimedOut
from dropslot.core.transitions import Equals, Write
from dropslot.engine.ports import WriteResult
from tests.simulation import items
from tests.simulation.history import ViolationError
from tests.simulation.life import Key, Life
from tests.simulation.loop import Image
from tests.simulation.reader import Lease
from tests.simulation.worker import SWEEP_GRACE_MS

if TYPE_CHECKING:
    from tests.simulation.world import World

#: How often a request may take its worker down before it is failed: once unsuspected, twice counted.
KILLS_MAX: Final = 3
#: What never changes while a request lives.
_FIXED: Final = (names.ID, names.REQUEST, names.TYPE, names.ACCEPTED_AT)


class Checker:
    """Sees everything; raises `ViolationError` at the first broken promise.

    Args:
        world: everything.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self.lives: dict[Key, Life] = {}
        #: Who is changing the table: "" for the consumers and the sweep.
        self.actor = ""
        self._runs_of: set[tuple[int, Key, int]] = set()
        self._images: list[Image] = []
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
            self.lives[key] = Life(key, self._world.loop.time(), self._world.process_starts)
        elif self.actor != "client":
            self._moved(key, old, new)
        else:
            self._repeated(key, old, new)

    def written(self, write: Write, result: WriteResult) -> None:
        """Check what the table answered to a write."""
        self._world.history.note(f"{write.transition} {result.value}", write.id)
        if write.transition != names.DONE or result is not WriteResult.REFUSED:
            return
        item = self._world.table.items.get(write.id)
        meant = [c.value for c in write.conditions if isinstance(c, Equals) and c.name == names.ACCEPTED_AT]
        if item is not None and meant and item.get(names.ACCEPTED_AT) == {"N": str(meant[0])}:
            settled = names.TTL in item or names.ERROR in item
            self._demand(settled, "success counts", write.id, "a success was refused though nothing was settled")

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
                ended = self._world.process_starts - life.starts_before >= KILLS_MAX - 1
                self._left_pending(life, before, status, life.errors or life.passing or (killed and ended))
            case "pending", "waiting":
                life.waits += 1
                self._left_pending(life, before, status, life.passing)
            case (("pending" | "waiting"), "pending") if attempt == before + 1:
                self._redriven(life, was, old)
            case "pending", "pending" if attempt == before:
                life.suspected = True  # a start was counted, or taken back
                life.taken_back += items.number(new, names.STARTS) < items.number(old, names.STARTS)
            case _:
                self._demand(
                    False, "only known transitions", request_id, f"{items.brief(old)} became {items.brief(new)}"
                )

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
            life.overdue += 1
            age_ms = self._world.loop.now_ms() - life.key[1]
            least_ms = SWEEP_GRACE_MS * (1 << min(life.overdue, 7) - 1)
            rarer = age_ms >= least_ms or life.suspected or life.waits
            self._demand(rarer, "redrives grow rarer", life.key[0], f"{life.overdue} in {age_ms / 1000:.0f} s")

    def _check_shape(self, request_id: str, status: str, item: Item) -> None:
        self._demand((names.TTL in item) == (status == "done"), "well-formed", request_id, f"{status}, ttl or none")
        self._demand(
            (names.ERROR in item) == (status == "failed"), "well-formed", request_id, f"{status}, error or none"
        )
        queue = item.get(names.QUEUE)
        expected = None if status == "done" else item[names.STATUS]
        self._demand(queue == expected, "well-formed", request_id, f"{status}, queue {queue}")

    # The handlers.

    def started(self, key: Key, attempt: int, image: Image, *, first: bool) -> None:
        """Check the start of a handler.

        Args:
            key: its request.
            attempt: as the handler is told.
            image: the process it runs in.
            first: it is not another try of the same run.
        """
        self._world.history.note("handler starts", key[0], f"attempt {attempt} in {image.name}")
        life = self.lives.get(key)
        self._demand(life is not None, "only what was accepted runs", key[0], "a handler runs for something unknown")
        assert life is not None
        if not first:
            return
        life.runs += 1
        self._images.append(image)  # keeps its identity from being used again
        run = (id(image), key, attempt)
        self._demand(run not in self._runs_of, "a process runs an attempt once", key[0], f"attempt {attempt} again")
        self._runs_of.add(run)
        over_at = life.settled_at if life.settled_at is not None else life.deleted_at
        if over_at is not None:
            since = self._world.loop.time() - over_at - image.frozen_seconds
            self._demand(
                since <= self._world.known_for_seconds,
                "settled requests don't run",
                key[0],
                f"it was settled {since:.1f} s before",
            )

    def ended(self, key: Key, ending: Ending) -> None:
        """Note how a handler ended."""
        self._world.history.note("handler ends", key[0], ending)
        life = self.lives[key]
        if isinstance(ending, TimedOut):
            life.passing += 1
        elif isinstance(ending, Returned):
            if isinstance(ending.value, str):
                life.errors += 1
            else:
                life.successes += 1
        elif type(ending.error).__name__ in {"RetryLater", "TimeoutError"}:
            life.passing += 1
        else:
            life.errors += 1

    def killed(self, key: Key) -> None:
        """Count a process that died of a request."""
        life = self.lives[key]
        life.kills += 1
        # A process that lost its lease unnoticed, or stands still, may be running the request as well. Redriven and
        # repeated records make a suspect look as if nobody could have started it.
        repeats = self._world.feed.duplicates + sum(life.redrives for life in self.lives.values())
        bound = KILLS_MAX + life.taken_back + self._world.zombies + repeats
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
        dups = world.feed.duplicates
        for life in self.lives.values():
            bound = 1 + life.attempt + (world.process_starts - life.starts_before) + dups + world.zombies
            self._demand(life.runs <= bound, "few runs", life.key[0], f"{life.runs} runs, at most {bound} explained")
            if world.plan.faults <= {"backlog"}:
                # A failure is void if the sweep redrove its request meanwhile; a success never is.
                bound = 1 + life.attempt
                self._demand(life.runs <= bound, "few runs under backlog", life.key[0], f"{life.runs} runs")
                again = life.successes - 1
                self._demand(
                    again <= life.overdue, "few runs under backlog", life.key[0], f"a success run {again} times more"
                )
            if life.key in world.scripts.poisonous and life.settled_at is not None:
                item = world.table.items.get(life.key[0])
                failed = item is not None and names.ERROR in item
                self._demand(failed, "poison fails", life.key[0], "a request that never returned is not failed")

    def unsettled(self) -> list[Key]:
        """Return what still has to be settled."""
        return [key for key, life in self.lives.items() if life.settled_at is None]

    def _demand(self, holds: object, invariant: str, about: str, what: str) -> None:
        if not holds:
            self.violation = self.violation or ViolationError(invariant, about, what)
            raise self.violation


def known_for_seconds(fresh_ms: float, latency_max_seconds: float) -> float:
    """Return how long after its settlement a request may still be started: as long as what was read counts as known.

    Args:
        fresh_ms: how long a record or a read counts.
        latency_max_seconds: one way to the table or back.
    """
    return fresh_ms / 1000 + 2 * latency_max_seconds + 0.1

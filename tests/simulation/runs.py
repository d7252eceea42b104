"""The promises about handlers: when one may start, how often, and who is blamed for the death of its process."""

from typing import TYPE_CHECKING, Final

from dropslot.core import names
from dropslot.core.policy import Ending, Raised, Returned, TimedOut
from tests.simulation import items
from tests.simulation.handlers import LIMIT_SECONDS
from tests.simulation.holder import LAMBDA, Holder
from tests.simulation.invocation import Invocation
from tests.simulation.life import Key, Life, Run
from tests.simulation.loop import EPOCH_MS
from tests.simulation.plan import BOTH
from tests.simulation.promises import Promises

if TYPE_CHECKING:
    from tests.simulation.world import World

#: How often the death of a process that had counted the start of a request is put down to chance.
COUNTED_MAX: Final = 2
#: What is weaker where functions are, by name.
RUN_AGAIN: Final = "a young record ran again"
MORE_DEATHS: Final = "poison cost further warm environments"
SOON_BLAMED: Final = "blamed after one death, with two consumers"
WEAKNESSES: Final = (RUN_AGAIN, MORE_DEATHS, SOON_BLAMED)


class RunChecker:
    """Sees every start and end of a handler.

    What is weaker on Lambda, as the documentation says, is allowed to its invocations only: a record that is young may
    be run again when it comes in another batch, and may cost each environment that was warm when it arrived. What is
    weaker with both consumers at once is allowed to that world only: each may lose a process before it suspects a
    request, and takes what the other is running for what it died of.

    Args:
        world: everything.
        lives: all requests.
        promises: what is demanded.
    """

    def __init__(self, world: "World", lives: dict[Key, Life], promises: Promises) -> None:
        self._world = world
        self._lives = lives
        self._demand = promises.demand
        self._consumers = 2 if world.plan.world == BOTH else 1
        self._returned: dict[Holder, list[Life]] = {}
        #: What was met that only one of these weaknesses allows.
        self.weaknesses: set[str] = set()

    def came_back(self, key: Key, holder: Holder) -> None:
        """Note that a request that had waited runs again: it looks like those that the process before had started."""
        life = self._lives.get(key)
        if life is not None and life.waits:
            self._returned.setdefault(holder, []).append(life)

    def called(self, key: Key, run: Run) -> None:
        """Note a call of a handler."""
        self._world.history.note("handler starts", key[0], f"attempt {run.attempt} in {run.holder.name}")

    def started(self, key: Key, run: Run) -> None:
        """Check the start of a run; its first call was noted."""
        life = self._lives.get(key)
        self._demand(life is not None, "only what was accepted runs", key[0], "a handler runs for something unknown")
        assert life is not None
        holder = run.holder
        for before in life.runs:
            if before.holder is holder and not life.reused:
                news = run.attempt > before.attempt
                self._demand(news, "a process runs an attempt once", key[0], f"attempt {run.attempt} again")
            # Each consumer reads all of the stream, and knows of the other only what is in the table.
            if before.holder.consumer == holder.consumer and holder.has(key[0]):
                self._demand_need(life, before, run)
        life.runs.append(run)
        self.came_back(key, holder)
        over_at = life.settled_at if life.settled_at is not None else life.deleted_at
        if over_at is not None:
            since = self._world.loop.time() - over_at - holder.frozen_seconds
            known = since <= self._world.known_for_seconds
            self._demand(known, "settled requests don't run", key[0], f"it was settled {since:.1f} s before")

    def _demand_need(self, life: Life, before: Run, run: Run) -> None:
        """Demand that a run before this one left something to do."""
        failed = before.ending in {"error", "passing"}
        # An operator has seen what became of it, and asks for more: whatever ran before that isn't enough.
        asked = before.attempt < life.operated_attempt <= run.attempt or life.reused
        needed = not before.holder.has(life.key[0]) or (failed and run.attempt > before.attempt) or asked
        promise = "a success isn't repeated" if before.ending == "success" else "few runs"
        again = not needed and self._may_be_run_again(life, before, run)
        if again:
            self.weaknesses.add(RUN_AGAIN)
        self._demand(needed or again, promise, life.key[0], f"{before.holder.name}: {before.ending or 'still at it'}")

    def _may_be_run_again(self, life: Life, before: Run, run: Run) -> bool:
        """Tell whether a young record that came in two batches explains a run: environments share no memory."""
        if run.holder.consumer != LAMBDA or run.holder is before.holder:
            return False
        age_ms = self._world.loop.time() * 1000 + EPOCH_MS - life.key[1] - 1000 * run.holder.frozen_seconds
        return run.attempt == 0 and age_ms <= self._world.fresh_ms + 1

    def ended(self, key: Key, run: Run, ending: Ending, *, late: bool = False) -> None:
        """Note how a handler ended."""
        self._world.history.note("handler ends", key[0], ending)
        life = self._lives[key]
        if isinstance(ending, TimedOut) or (
            isinstance(ending, Raised) and type(ending.error).__name__ in {"RetryLater", "TimeoutError"}
        ):
            kind = "passing"
            life.passing += 1
        elif isinstance(ending, Returned) and not isinstance(ending.value, str):
            kind = "success"
            life.successes += run.told >= life.floor
        else:
            kind = "error"
            life.errors += 1
        if not late:
            run.ending = kind

    def killed(self, key: Key, run: Run) -> None:
        """Count a process that died of a request."""
        life, holder = self._lives[key], run.holder
        if not holder.has(key[0]):
            return
        if self._looked_new(key, run):
            life.unsuspected += 1
        else:
            life.kills += 1
        # Only its own redrives may have made it look as if nobody could have started it, and others that had waited,
        # came back and ran before it in the same process: they look like those that the process before had started.
        life.hidden += any(other is not life for other in self._returned.get(holder, ()))
        # Each consumer takes it for a new one once.
        bound = (COUNTED_MAX + self._consumers) * (1 + life.operated)
        bound += life.taken_back + life.redrives + life.hidden
        if life.kills <= bound < life.kills + life.unsuspected:
            self.weaknesses.add(MORE_DEATHS)
        self._demand(life.kills <= bound, "poison costs three restarts", key[0], f"{life.kills} processes died of it")

    def _looked_new(self, key: Key, run: Run) -> bool:
        """Tell whether an invocation had to take a request for one that nobody had started before."""
        if not isinstance(run.holder, Invocation) or not run.holder.looked_new(key, self._world.fresh_ms):
            return False
        item = self._world.table.items.get(key[0])
        # One that was redriven is always looked up.
        return run.attempt == 0 or (item is not None and not items.number(item, names.STARTS))

    def blamed(self, life: Life, holder: Holder) -> None:
        """Check a failure as killer of its worker."""
        request_id = life.key[0]
        if holder.has(request_id):
            gone = sum(not before.has(request_id) for before in life.counted)
            # A count that was taken back comes back when another worker had read it before and counts on from it.
            revived = max(0, items.number(self._world.table.items[request_id], names.STARTS) - len(life.counted))
            least = COUNTED_MAX - (self._consumers - 1) - revived
            if least <= gone < COUNTED_MAX:
                self.weaknesses.add(SOON_BLAMED)
            self._demand(gone >= least, "blame has a cause", request_id, f"{gone} of its processes are gone")

    def parked(self, life: Life, holder: Holder) -> None:
        """Check a wait that nothing but want of time explains."""
        late = isinstance(holder, Invocation) and holder.is_late(self._world.loop.now_ms(), LIMIT_SECONDS)
        self._demand(late, "parked for want of time", life.key[0], f"{holder.name} has time left for a handler")
        started = any(run.holder is holder for run in life.runs)
        self._demand(not started, "parked for want of time", life.key[0], f"{holder.name} had started its handler")

    def given_back(self, key: Key, holder: Holder) -> None:
        """Check a request that an invocation answers it hasn't resolved: nobody died of it."""
        life = self._lives.get(key)
        if life is None or life.settled_at is not None or life.deleted_at is not None:
            return
        if self._world.faults.troubled(self._world.loop.time()):
            return
        # A count that it didn't hear of yet isn't, and one of an attempt that was redriven since can't be.
        heard = any(run.holder is holder for run in life.runs)
        counted = bool(life.counted) and life.counted[-1] is holder and life.counted_attempt == life.attempt
        self._demand(
            not (heard and counted), "counts are taken back", key[0], f"{holder.name} leaves its start counted"
        )

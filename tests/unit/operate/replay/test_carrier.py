"""A replay that is stopped anywhere, on the memory twin: nothing is skipped, nothing is done twice."""

import asyncio
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.rows import state_from
from dropslot.core import names
from dropslot.core.errors import ConfigurationError
from dropslot.core.policy import Done
from dropslot.core.transitions import Insert, Write, settle
from dropslot.engine.backoff import Backoff
from dropslot.engine.ports import WriteResult
from dropslot.local.relay.record import TTL_IDENTITY
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.redrive import Fate, Redriver
from dropslot.operate.replay.acting import Actions
from dropslot.operate.replay.carrier import Carrier
from dropslot.operate.replay.classify import Class
from dropslot.operate.replay.filters import Filters
from dropslot.operate.replay.ledger import Header, Ledger
from dropslot.operate.replay.position import Position, Span
from dropslot.operate.replay.progress import Meter
from dropslot.operate.replay.reading import Classified, Reader
from dropslot.operate.replay.report import question, tell_nobody
from dropslot.operate.replay.survey import Survey
from dropslot.operate.replay.tail import Tail
from dropslot.operate.screen import Screen
from tests.unit.core.images import ACCEPTED_AT_MS, TABLE, data, image, record
from tests.unit.operate.replay.past import MemorySource, RestlessClock, TwinRows

NOW_MS = ACCEPTED_AT_MS + 7_200_000
GRACE_MS = 300_000
HEADER = Header(command={}, started_at=0, span=Span(start=Position(), end=Position(epoch_ms=NOW_MS)))
FORCE = Actions(failed=True, force=True, grace_ms=GRACE_MS)


class KilledError(BaseException):
    """The process is killed."""


class MortalRequests(MemoryRequests):
    """A table whose caller is killed at one of its writes: before it, or after."""

    def __init__(self) -> None:
        super().__init__()
        self.lives = 1_000
        self.writes_last = False

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        """See `Requests.write`."""
        with self._life():
            return await super().write(writes)

    async def restore(self, inserts: Sequence[Insert]) -> Sequence[WriteResult]:
        """See `Restoring.restore`."""
        with self._life():
            return await super().restore(inserts)

    def _life(self) -> "Life":
        return Life(self)


class Life:
    """One write; the last one kills."""

    def __init__(self, table: MortalRequests) -> None:
        self._table = table

    def __enter__(self) -> None:
        self._table.lives -= 1
        if self._table.lives == 0 and not self._table.writes_last:
            raise KilledError

    def __exit__(self, *_: object) -> None:
        if self._table.lives == 0:
            raise KilledError


class Lost(MemorySource):
    """A stream without the shard that is asked for."""

    def lanes(self) -> Sequence[str]:
        """See `Source.lanes`."""
        raise ConfigurationError("stream requests has no shard a")


class Past:
    """Requests of four kinds in turn, each with three records over two lanes.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self.table = MortalRequests()
        self.first, self.second = list[bytes](), list[bytes]()
        for index in range(count):
            for lane, payloads in zip((self.first, self.second), self._tell(index), strict=True):
                lane.extend(payloads)
        self.expected = {f"-#orders#{index}": 2 for index in range(count)}

    def _tell(self, index: int) -> Iterator[Sequence[bytes]]:
        kind = (names.PENDING, names.FAILED, names.DONE, "gone")[index % 4]
        new, again = (image(f"-#orders#{index}", attempt=attempt) for attempt in (0, 1))
        outcomes: dict[str, dict[str, Any]] = {
            names.PENDING: {},
            names.FAILED: {"status": "failed-a", "error": "x"},
            names.DONE: {"status": "done-a", "ttl": 2_000_000_000},
            "gone": {"status": "done-a", "ttl": 5},
        }
        last = image(f"-#orders#{index}", attempt=1, **outcomes[kind])
        yield [data(record(new))]
        changes = [data(record(again, new)), data(record(last, again))]
        if kind == "gone":
            changes.append(data(record(None, last) | {"userIdentity": TTL_IDENTITY}))
        else:
            self.table.put(last)
        yield changes

    def reader(self, *, page: int = 1_000, filters: Filters | None = None) -> tuple[MemorySource, Reader]:
        """Return a source of all of it, and what classifies it."""
        source = MemorySource({"a": self.first, "b": self.second}, page=page)
        reader = Reader(
            source,
            TwinRows(self.table),
            table_name=TABLE,
            filters=filters if filters is not None else Filters(),
            clock=RestlessClock(NOW_MS),
            grace_ms=GRACE_MS,
        )
        return source, reader

    def carrier(self, ledger: Ledger, **options: Any) -> Carrier:
        """Return a pass over all of it."""
        source, reader = self.reader(**options)
        meter = Meter(Screen(as_json=True), None, end_epoch_ms=0)
        return Carrier(source=source, reader=reader, ledger=ledger, meter=meter)

    def look(self, ledger: Ledger | None = None, **options: Any) -> Survey:
        """Make a first pass."""
        carrier = self.carrier(ledger if ledger is not None else Ledger(HEADER), **options)
        return asyncio.run(carrier.look(FORCE, tell_nobody))

    def act(
        self, ledger: Ledger, *, named: frozenset[str] = frozenset(), **options: Any
    ) -> list[tuple[str, Fate | None]]:
        """Make both passes; return what was told."""
        page = {name: value for name, value in options.items() if name == "page"}
        return self.act_on(self.look(ledger, **page), ledger, named=named, **options)

    def act_on(
        self,
        survey: Survey,
        ledger: Ledger,
        *,
        named: frozenset[str] = frozenset(),
        per_second: float = 1_000.0,
        attempt: int = 1,
        **options: Any,
    ) -> list[tuple[str, Fate | None]]:
        """Make the second pass; return what was told, each of this attempt."""
        told: list[tuple[str, Fate | None]] = []

        def tell(classified: Classified, seen: int, fate: Fate | None) -> None:
            assert classified.change is not None
            assert seen == attempt
            told.append((classified.change.state.id, fate))

        actions = Actions(
            failed=True, force=True, named=named, grace_ms=GRACE_MS, gone=survey.gone, settled=survey.settled
        )
        redriver = Redriver(
            requests=self.table,
            restoring=self.table,
            clock=RestlessClock(NOW_MS),
            backoff=Backoff(),
            per_second=per_second,
            fates=ledger.fates,
        )
        asyncio.run(self.carrier(ledger, **options).act(actions, redriver, tell))
        return told

    def settle(self) -> None:
        """Do what a consumer does: requests of the next attempt are done."""
        for item in list(self.table.items.values()):
            state = state_from(item)
            if state is not None and state.status == names.PENDING and state.attempt > 1:
                write = settle(state, Done(None), now_ms=NOW_MS, ttl_seconds=60)
                asyncio.run(MemoryRequests.write(self.table, [write]))

    def attempts(self) -> dict[str, int]:
        """Return the attempt of each request."""
        return {key: int(item["attempt"]["N"]) for key, item in self.table.items.items()}


def test_each_record_is_in_one_class() -> None:
    """Given requests of each kind, records are counted once, each request where it is met first."""
    survey = Past(40).look()

    assert survey.classes == Counter(
        {Class.WOULD_RUN: 10, Class.FAILED: 10, Class.DONE: 10, Class.GONE: 10, Class.SUPERSEDED: 40, Class.OURS: 50}
    )
    assert {(gone.attempt, gone.by_hand) for gone in survey.gone.values()} == {(1, False)}


def test_a_replay_that_is_not_stopped_redrives_each_once() -> None:
    """Given no stop, each request has one attempt more, and each was told."""
    past, ledger = Past(41), Ledger(HEADER)

    told = past.act(ledger)

    assert past.attempts() == past.expected
    assert sorted(told) == sorted((key, Fate.REDRIVEN) for key in past.expected)
    assert ledger.fates == {Fate.REDRIVEN: 41}


@settings(max_examples=40, deadline=None)
@given(
    deaths=st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=4),
    page=st.sampled_from([3, 7, 1_000]),
    per_second=st.sampled_from([2.0, 1_000.0]),
    settles=st.booleans(),
)
def test_a_replay_that_is_killed_anywhere_skips_and_repeats_nothing(
    deaths: list[tuple[int, bool]], page: int, per_second: float, settles: bool
) -> None:
    """Given kills before and after writes, and requests that are done again meanwhile, each is redriven once."""
    past, file = Past(30), io.BytesIO()
    ledger = Ledger.new(HEADER, file)
    for lives, writes_last in deaths:
        past.table.lives, past.table.writes_last = lives, writes_last
        with suppress(KilledError):
            past.act(ledger, page=page, per_second=per_second)
        if settles:
            past.settle()
        reread = Ledger.read(file)
        assert reread is not None
        ledger = reread
    past.table.lives = 1_000
    past.act(ledger, page=page, per_second=per_second)

    assert past.attempts() == past.expected
    assert ledger.fates == {Fate.REDRIVEN: 30}
    assert ledger.classes.total() == len(past.first) + len(past.second)


def test_what_goes_after_the_first_pass_stays_away() -> None:
    """Given requests that somebody deletes while the operator is asked, --force doesn't bring them back."""
    past, ledger = Past(8), Ledger(HEADER)
    survey = past.look(ledger)
    past.table.delete("-#orders#2")

    past.act_on(survey, ledger)

    assert past.attempts() == {key: 2 for key in past.expected if key != "-#orders#2"}
    assert ledger.classes[Class.GONE] == 3


def test_what_is_settled_after_the_first_pass_stays_so() -> None:
    """Given requests that a consumer settles while the operator is asked, --force doesn't run them again."""
    past, ledger = Past(8), Ledger(HEADER)
    survey = past.look(ledger)
    past.table.put(image("-#orders#0", status="done-a", ttl=2_000_000_000, attempt=1))
    past.table.put(image("-#orders#4", status="failed-a", error="x", attempt=1))

    past.act_on(survey, ledger)

    assert past.attempts() == past.expected | {"-#orders#0": 1, "-#orders#4": 1}
    assert (ledger.classes[Class.DONE], ledger.classes[Class.FAILED]) == (3, 3)


def test_a_stop_does_not_widen_what_was_found() -> None:
    """Given a stop, what is settled or goes after it is left alone by the same command, and isn't asked about."""
    past, file = Past(16), io.BytesIO()
    ledger = Ledger.new(HEADER, file)
    past.table.lives = 1
    with suppress(KilledError):
        past.act(ledger, page=3)
    past.table.lives = 1_000
    past.table.put(image("-#orders#8", status="done-a", ttl=2_000_000_000, attempt=1))  # was overdue
    past.table.put(image("-#orders#10", status="done-a", ttl=2_000_000_000, attempt=5))  # forced, and done again
    past.table.delete("-#orders#14")  # was done; no record of it is there yet

    resumed = Ledger.read(file)
    assert resumed is not None
    survey = past.look(resumed)
    asked = question(survey, FORCE, where="here")
    past.act_on(survey, resumed)

    assert asked is not None
    assert asked.startswith("Run 13 requests of here again (3 overdue, 4 failed, 2 done, 4 gone")
    left = {"-#orders#8": 1, "-#orders#10": 5}
    assert past.attempts() == {key: left.get(key, 2) for key in past.expected if key != "-#orders#14"}


def test_what_was_deleted_by_hand_stays_away_unless_it_is_named() -> None:
    """Given a deletion that no expiry explains, --force leaves the request alone; by its id it comes back."""
    past = Past(4)
    last = image("-#orders#3", attempt=1)
    past.second.append(data(record(None, last)))

    past.act(Ledger(HEADER))
    assert "-#orders#3" not in past.table.items
    past.act(Ledger(HEADER), named=frozenset({"-#orders#3"}))
    assert past.attempts()["-#orders#3"] == 2


def test_what_is_deleted_while_others_are_restored_stays_away() -> None:
    """Given a slow replay, and a deletion told meanwhile of what is still to be restored, that stays away."""
    past, ledger, clock = Past(16), Ledger(HEADER), RestlessClock(NOW_MS)
    survey = past.look(ledger)
    later = MemorySource({"a": past.first, "b": [*past.second, data(record(None, image("-#orders#15", attempt=1)))]})

    def until(end_ms: int) -> MemorySource:
        return later if end_ms > NOW_MS else past.reader()[0]

    tail = Tail(survey, until, table_name=TABLE, clock=clock)
    redriver = Redriver(
        requests=past.table,
        restoring=past.table,
        clock=clock,
        backoff=Backoff(),
        per_second=0.1,
        fates=ledger.fates,
    )
    actions = Actions(force=True, grace_ms=GRACE_MS, gone=survey.gone, settled=survey.settled)
    asyncio.run(past.carrier(ledger).act(actions, redriver, tell_nobody, tail=tail))

    assert past.table.items.keys() == past.expected.keys() - {"-#orders#15"}
    assert ledger.fates == {Fate.REDRIVEN: 11}


def test_a_shard_that_goes_in_between_is_out_of_reach() -> None:
    """Given a stream that has lost the shard since the first pass, it isn't said that nothing was done."""
    tail = Tail(Past(4).look(), lambda _: Lost({}), table_name=TABLE, clock=RestlessClock(NOW_MS))

    with pytest.raises(OutOfReachError, match="has no shard a"):
        asyncio.run(tail.catch_up())


def test_of_two_lives_of_an_id_the_last_one_comes_back() -> None:
    """Given an id that two requests had, one after the other, both gone, only the second is restored."""
    past = Past(0)
    lives = [image("-#orders#0"), image("-#orders#0", accepted_at=ACCEPTED_AT_MS + 5, attempt=0)]
    for life in lives:
        past.first.extend([data(record(life)), data(record(None, life) | {"userIdentity": TTL_IDENTITY})])

    ledger = Ledger(HEADER)
    past.act(ledger, attempt=0)

    assert past.table.items["-#orders#0"]["accepted_at"] == {"N": str(ACCEPTED_AT_MS + 5)}
    assert ledger.fates == {Fate.REDRIVEN: 1}
    assert ledger.classes[Class.GONE] == 2


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        (Filters(type="orders"), 13),
        (Filters(type="notes"), 0),
        (Filters(events=frozenset({"INSERT"})), 4),
        (Filters(events=frozenset({"MODIFY", "REMOVE"})), 9),
        (Filters(ids=frozenset({"-#orders#3"})), 4),
    ],
    ids=["type", "another type", "accepted", "changed or removed", "one request"],
)
def test_what_is_not_asked_for_is_left_out(filters: Filters, left: int) -> None:
    """Given filters, all records are counted, and those that don't fit are in a class of their own."""
    past = Past(4)
    past.first.append(b"foreign")
    total = len(past.first) + len(past.second)

    survey = past.look(filters=filters)

    assert survey.classes.total() == total
    assert survey.classes[Class.LEFT_OUT] == total - left

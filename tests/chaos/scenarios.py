"""Stories with an end of their own: poison, a backlog, a leaky stream, an orderly stop."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropslot.core import names
from dropslot.local.mapping.positions import POSITIONS_FILE, read_positions
from dropslot.local.options import LAMBDA
from dropslot.local.process import Process, ProcessSpec
from dropslot.local.relay.faults import Faults, change_name
from dropslot.local.relay.record import partition_key
from dropslot.local.stack import CONSUMER
from dropslot.local.tables import open_shards
from tests.chaos import ledger
from tests.chaos.handlers import runs_by_id
from tests.chaos.ledger import Ledger
from tests.chaos.patience import eventually
from tests.chaos.poisons import poison
from tests.chaos.rig import Rig
from tests.chaos.stand import running_rig
from tests.chaos.workload import ordinary

_SHORT_GRACE: Final = {"DROPSLOT_SWEEP_GRACE_SECONDS": "11"}
#: Above what a busy machine's functions leave a record waiting: only what was skipped is to be overdue.
_LEAK_GRACE: Final = {"DROPSLOT_SWEEP_GRACE_SECONDS": "25"}
_SETTLE_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisoned:
    """What poison did.

    Args:
        ledger: the books.
        deaths: of daemons, or of functions amid a batch.
        later_settled_seconds: until all later requests were settled, since the last was accepted.
        all_settled_seconds: the same for the poison too.
        runs: of each poison's handler, by deed.
    """

    ledger: Ledger
    deaths: int
    later_settled_seconds: float
    all_settled_seconds: float
    runs: dict[str, int]


def poisoned(folder: Path, *, consumer: str, deeds: Sequence[str], later: int, seed: int) -> Poisoned:
    """Hand in one request per deed that harms its process, then ordinary ones."""
    tasks = [poison(deed, f"poison-{deed}") for deed in deeds]
    with running_rig(folder, consumer=consumer) as rig:
        rig.client.send_all(tasks)
        after = ordinary(later, seed)
        rig.client.send_all(after)
        wanted = {task.item_id for task in after}
        eventually(lambda: not wanted & rig.open_ids(), _SETTLE_SECONDS, lambda: "later requests don't settle")
        later_settled_seconds = time.monotonic() - rig.client.last_accepted_at
        all_settled_seconds = rig.await_settled(_SETTLE_SECONDS)
        runs = runs_by_id(folder / "runs")
        return Poisoned(
            ledger=rig.audit(),
            deaths=_deaths(rig),
            later_settled_seconds=later_settled_seconds,
            all_settled_seconds=all_settled_seconds,
            runs={deed: len(runs.get(task.item_id, ())) for deed, task in zip(deeds, tasks, strict=True)},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """What a stream that skips records did.

    Args:
        ledger: the books.
        skipped: records of pending requests that the relay left out.
        settle_seconds: from the last accepted to the last settled.
    """

    ledger: Ledger
    skipped: int
    duplicated: int
    reordered: int
    settle_seconds: float


def leaking(folder: Path, *, consumer: str, requests: int, rate: float, seed: int) -> Leak:
    """Hand requests in while the relay leaves out a share of all records, and repeats and reorders as many."""
    faults = Faults(skip=rate, duplicate=rate, reorder=rate, seed=seed)
    with running_rig(folder, consumer=consumer, relay_faults=faults, settings=_LEAK_GRACE) as rig:
        rig.client.send_all(ordinary(requests, seed))
        settle_seconds = rig.await_settled(_SETTLE_SECONDS)
        rig.await_relayed()
        feed = list(ledger.read_feed(rig.dynamodb, rig.streams, rig.stack.info.table))
        skipped = [
            event for event in feed if faults.fate(change_name(event, partition_key(event["dynamodb"]["Keys"]))).skip
        ]
        counters = rig.relay_counters()
        # By the same dice, thrown again: so the count says which records they were.
        assert len(skipped) == counters["skipped"], "the relay's count differs"
        return Leak(
            ledger=rig.audit(),
            skipped=sum(_asks_for_a_run(event) for event in skipped),
            duplicated=counters["duplicated"],
            reordered=counters["reordered"],
            settle_seconds=settle_seconds,
        )


def _asks_for_a_run(event: ledger.Event) -> bool:
    """Tell whether a change is a new request or a redrive; a counted start leaves a request pending, too."""
    change = event["dynamodb"]
    attempts = [change[image][names.ATTEMPT]["N"] for image in ("OldImage", "NewImage") if image in change]
    return change["NewImage"][names.STATUS]["S"].startswith(names.PENDING) and attempts[1:] != attempts[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What an orderly stop, a backlog and a new start did.

    Args:
        ledger: the books of all of it.
        exit_code: of the stopped consumer.
        unsettled: requests that were unsettled when it was asked to stop.
        handed_over: requests that were unsettled when it had stopped, those that came in meanwhile among them.
        repeated: requests settled by then whose handler ran again afterwards.
        checkpoints_behind: shards whose checkpoint the stop left before the first.
        stop_seconds: from SIGTERM to its end.
        takeover_seconds: from the start of the next consumer to the first run of a handler.
        backlog: requests that came in while nothing consumed.
        backlog_redrives: redrives of the backlog by the sweep until all was settled.
        backlog_runs: handler runs of the backlog, per request.
        backlog_seconds: from the start of the next consumer to the last outcome.
    """

    ledger: Ledger
    exit_code: int | None
    unsettled: int
    handed_over: int
    repeated: int
    checkpoints_behind: int
    stop_seconds: float
    takeover_seconds: float
    backlog: int
    backlog_redrives: int
    backlog_runs: float
    backlog_seconds: float


def stopped(folder: Path, *, consumer: str, requests: int, backlog: int, seed: int) -> Stopped:
    """Stop the consumer in the middle of its work, let requests and the sweep's redrives pile up, start it again."""
    first, second = ordinary(requests, seed), ordinary(backlog, seed + 1, prefix="b")
    with running_rig(folder, consumer=consumer, settings=_SHORT_GRACE) as rig:
        # Handlers stay slow, and batches are as large as they get: to start all of one would take far beyond the grace.
        with rig.slow_handlers():
            rig.client.send_all(first)
            unsettled = rig.await_pile(requests // 2, 60)
            asked = time.monotonic()
            exit_code = rig.stack.halt(CONSUMER)
            stop_seconds = time.monotonic() - asked
        runs_before = runs_by_id(folder / "runs")
        open_before = rig.open_ids()
        settled_before = {task.item_id for task in first} - open_before
        behind = _shards_behind(rig)

        with _sweeping(rig):
            rig.client.send_all(second)
            wanted = {task.item_id for task in second}
            # Until the sweep has had its way with each of them.
            eventually(lambda: _redrives(rig, wanted) >= backlog, 120, lambda: "the sweep redrove too little")
        ran = rig.runs()
        started = time.monotonic()
        rig.stack.restart(CONSUMER)
        eventually(lambda: rig.runs() > ran, 120, lambda: "the next consumer ran nothing")
        takeover_seconds = time.monotonic() - started
        rig.await_settled(_SETTLE_SECONDS)
        backlog_seconds = time.monotonic() - started
        runs = runs_by_id(folder / "runs")
        return Stopped(
            ledger=rig.audit(),
            exit_code=exit_code,
            unsettled=unsettled,
            handed_over=len(open_before & rig.client.accepted.keys()),
            repeated=sum(len(runs.get(each, ())) > len(runs_before.get(each, ())) for each in settled_before),
            checkpoints_behind=behind,
            stop_seconds=stop_seconds,
            takeover_seconds=takeover_seconds,
            backlog=backlog,
            backlog_redrives=_redrives(rig, wanted),
            backlog_runs=sum(len(runs.get(each, ())) for each in wanted) / backlog,
            backlog_seconds=backlog_seconds,
        )


@contextmanager
def _sweeping(rig: Rig) -> Iterator[None]:
    """Run the sweep alone, as the Lambda variant does."""
    command = (sys.executable, "-m", "tests.chaos.sweeper")
    spec = ProcessSpec(name="sweeper", command=command, environment=rig.environment, log=rig.folder / "sweeper.log")
    process = Process.start(spec, rig.guard)
    try:
        yield
        process.check()
    finally:
        process.stop()


def _redrives(rig: Rig, wanted: set[str]) -> int:
    return sum(
        int(item[names.ATTEMPT]["N"])
        for item in ledger.read_table(rig.dynamodb, rig.stack.info.table)
        if item[names.ID]["S"] in wanted
    )


def _shards_behind(rig: Rig) -> int:
    """Return how many shards would be read from their first record."""
    if rig.stack.info.consumer == LAMBDA:
        shards = open_shards(rig.kinesis, rig.stack.info.stream)
        return len(set(shards) - read_positions(Path(rig.stack.info.state) / POSITIONS_FILE).keys())
    leases = rig.dynamodb.scan(TableName="dropslot", ConsistentRead=True)["Items"]
    checkpoints = [lease["checkpoint"]["S"] for lease in leases if "checkpoint" in lease]
    return checkpoints.count("TRIM_HORIZON")


def _deaths(rig: Rig) -> int:
    if rig.stack.info.consumer == LAMBDA:
        return rig.lost_invocations()
    lines = (Path(rig.stack.info.logs) / "consumer.log").read_text().splitlines()
    starts = [line for line in lines if line.startswith("{") and json.loads(line).get("event") == "daemon_started"]
    return len(starts) - 1

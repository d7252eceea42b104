"""What is weaker on Lambda than on containers, as docs/lambda.md says it: no less than that, and no more.

That a retry is due within a minute only is the schedule's doing; the rest follows from environments that neither share
a memory nor are told how often their batch was delivered before.
"""

import time
from typing import Final

import pytest

from dropslot.core import mapping
from dropslot.core.policy import KILLED_ITS_WORKER
from tests.integration.lambda_.conftest import Batch, Deployed, Process

ALL_RESOLVED: Final[dict[str, object]] = {"returned": {"batchItemFailures": []}}
STREAM: Final = "dropslot_stream.handler"
#: A record stays young for the whole test, or never is.
YOUNG: Final = {"DROPSLOT_FRESH_SECONDS": "60"}
OLD: Final = {"DROPSLOT_FRESH_SECONDS": "0"}


def test_a_retry_waits_for_the_schedule_which_comes_once_a_minute(deployed: Deployed, batch: Batch) -> None:
    """Given a request whose retry is due at once, then no batch brings it back, but the next sweep does."""
    assert mapping.SWEEP_EVERY_SECONDS == 60
    function, sweep = deployed.function(STREAM), deployed.function("dropslot_sweep.handler")
    record = deployed.accept("c#retried", {"do": "wait"})
    assert function.invoke(batch(record)) == ALL_RESOLVED
    assert deployed.status("c#retried") == "waiting"

    assert function.invoke(batch(record, deployed.accept("c#other", {"do": "work"}))) == ALL_RESOLVED
    assert (deployed.status("c#retried"), deployed.runs("c#retried")) == ("waiting", 1)

    assert sweep.invoke({}, seconds=9) == {"returned": {"redriven": 1}}
    assert (deployed.status("c#retried"), deployed.runs("c#retried")) == ("pending", 1)
    assert deployed.item("c#retried")["attempt"] == {"N": "1"}


def test_a_batch_ends_with_its_slowest_request(deployed: Deployed, batch: Batch) -> None:
    """Given a slow request among quick ones, then these are done, but what comes next has to wait for the slow one."""
    (function,) = _warm(deployed, batch, 1, YOUNG)
    slow = deployed.accept("c#slow", {"do": "sleep", "seconds": 1.0})
    quick = deployed.accept("c#quick", {"do": "work"})
    began = time.monotonic()

    assert function.invoke(batch(slow, quick)) == ALL_RESOLVED

    assert time.monotonic() - began >= 1.0
    # Of a settled request: when it was settled.
    slow_at, quick_at = (int(deployed.item(name)["due_at"]["N"]) for name in ("c#slow", "c#quick"))
    assert quick_at < slow_at


@pytest.mark.parametrize(("age", "runs"), [(YOUNG, 2), (OLD, 1)], ids=["young", "old"])
def test_a_young_duplicate_in_another_batch_runs_again_and_settles_nothing(
    deployed: Deployed, batch: Batch, age: dict[str, str], runs: int
) -> None:
    """Given a record that comes twice, in two batches, then only a young one is run twice, and its outcome stays."""
    first, second = _warm(deployed, batch, 2, age)
    record = deployed.accept("c#twice", {"do": "work"})

    assert first.invoke(batch(record)) == ALL_RESOLVED
    settled = deployed.item("c#twice")
    assert second.invoke(batch(record)) == ALL_RESOLVED

    assert deployed.runs("c#twice") == runs
    assert deployed.item("c#twice") == settled


@pytest.mark.parametrize(("age", "deaths"), [(YOUNG, 2 + 2), (OLD, 2)], ids=["young", "old"])
def test_poison_costs_each_warm_environment_that_it_reaches_while_it_is_young(
    deployed: Deployed, batch: Batch, age: dict[str, str], deaths: int
) -> None:
    """Given two warm environments, when a killer's record reaches both while it is young, then neither death counts.

    Two more do, as anywhere. Of a record that isn't young any more, the first death counts already.
    """
    environments = _warm(deployed, batch, 2, age)
    event = batch(deployed.accept("c#poison", {"do": "die"}))
    died = 0
    while (environments.pop() if environments else deployed.function(STREAM, **age)).invoke(event) is None:
        died += 1
        assert died <= deaths

    assert died == deaths == deployed.runs("c#poison")
    assert deployed.item("c#poison")["error"] == {"S": KILLED_ITS_WORKER}


def test_who_is_under_way_beside_a_killer_runs_again_and_is_not_blamed(deployed: Deployed, batch: Batch) -> None:
    """Given requests that take their time beside one that kills, then each dies with it twice at most, and is done.

    From its second counted start on the killer runs alone.
    """
    beside = [f"c#beside-{number}" for number in range(3)]
    (environment,) = _warm(deployed, batch, 1, YOUNG)
    records = [deployed.accept(name, {"do": "sleep", "seconds": 0.5}) for name in beside]
    event = batch(*records, deployed.accept("c#poison", {"do": "die"}))

    deaths = 0
    while environment.invoke(event) is None:
        deaths += 1
        environment = deployed.function(STREAM, **YOUNG)

    assert deaths == 3
    assert {deployed.status(name) for name in beside} == {"done"}
    runs = [deployed.runs(name) for name in beside]
    assert 1 < max(runs) <= deaths
    assert deployed.item("c#poison")["error"] == {"S": KILLED_ITS_WORKER}


def _warm(deployed: Deployed, batch: Batch, count: int, variables: dict[str, str]) -> list[Process]:
    """Return environments that have served a batch already."""
    environments = [deployed.function(STREAM, **variables) for _ in range(count)]
    for environment in environments:
        assert environment.invoke(batch()) == ALL_RESOLVED
    return environments

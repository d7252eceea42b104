"""The deployed entry points in processes of their own, over DynamoDB Local."""

from typing import Final

from dropslot.core.policy import KILLED_ITS_WORKER, MAX_STARTS
from tests.integration.lambda_.conftest import Batch, Deployed

ALL_RESOLVED: Final[dict[str, object]] = {"returned": {"batchItemFailures": []}}


def test_each_ending_stands_on_its_item(deployed: Deployed, batch: Batch) -> None:
    """Given requests that succeed, are rejected, and wait, when they come in two batches, then one process does it."""
    function = deployed.function("dropslot_stream.handler")
    records = [deployed.accept(f"c#{wish}", {"do": wish}) for wish in ("work", "reject", "wait")]
    assert function.invoke(batch(*records)) == ALL_RESOLVED
    assert [deployed.status(f"c#{wish}") for wish in ("work", "reject", "wait")] == ["done", "failed", "waiting"]
    assert deployed.item("c#work")["result"] == {"S": '{"did":"work","attempt":0}'}

    assert function.invoke(batch(deployed.accept("c#more", {"do": "work"}))) == ALL_RESOLVED
    assert deployed.status("c#more") == "done"
    counted = [line for line in function.lines() if line["event"] == "counted"]
    assert [line["done"] for line in counted] == [1, 1]


def test_an_async_handler_runs_in_every_invocation(deployed: Deployed, batch: Batch) -> None:
    """Given a handler on a loop, then that loop outlives the invocation."""
    target = "tests.integration.lambda_.handlers:handle_async"
    function = deployed.function("dropslot_stream.handler", DROPSLOT_HANDLER=target)
    for number in range(2):
        assert function.invoke(batch(deployed.accept(f"c#{number}", {}))) == ALL_RESOLVED
        assert deployed.status(f"c#{number}") == "done"


def test_poison_is_failed_after_three_deaths_and_its_neighbours_are_done(deployed: Deployed, batch: Batch) -> None:
    """Given a handler that ends its process, when the batch is retried in new ones, then the rule of starts ends it."""
    wishes = {"c#a": "work", "c#poison": "die", "c#b": "work"}
    event = batch(*(deployed.accept(name, {"do": wish}) for name, wish in wishes.items()))
    deaths = 0
    while deployed.function("dropslot_stream.handler").invoke(event) is None:
        deaths += 1
        assert deaths <= MAX_STARTS
    assert deployed.item("c#poison")["error"] == {"S": KILLED_ITS_WORKER}
    assert (deployed.status("c#a"), deployed.status("c#b")) == ("done", "done")
    assert deployed.runs("c#poison") <= MAX_STARTS


def test_what_there_is_no_time_for_waits_and_the_sweep_brings_it_back(deployed: Deployed, batch: Batch) -> None:
    """Given a batch with 4 s left to start in, when one slot takes 2.5 s a request, then the rest is parked."""
    function = deployed.function("dropslot_stream.handler", DROPSLOT_CONCURRENCY="1")
    names = [f"c#{number}" for number in range(4)]
    # Built in an invocation of its own, so that its imports don't take this one's time.
    assert function.invoke(batch()) == ALL_RESOLVED
    records = [deployed.accept(name, {"do": "sleep", "seconds": 2.5}) for name in names]
    # Of these, a handler's limit and the margin for outcomes leave 4.
    assert function.invoke(batch(*records), seconds=39) == ALL_RESOLVED
    statuses = [deployed.status(name) for name in names]
    assert statuses[0] == "done"
    assert statuses[-1] == "waiting"
    assert all("tries" not in deployed.item(name) or deployed.item(name)["tries"] == {"N": "0"} for name in names)

    sweep = deployed.function("dropslot_sweep.handler")
    assert sweep.invoke({}, seconds=9) == {"returned": {"redriven": statuses.count("waiting")}}
    assert deployed.item(names[-1])["attempt"] == {"N": "1"}
    assert deployed.status(names[-1]) == "pending"


def test_a_wrong_configuration_fails_the_invocation_and_says_so(deployed: Deployed, batch: Batch) -> None:
    """Given a variable that is no setting, then the function raises, and one log line names the fault."""
    function = deployed.function("dropslot_stream.handler", DROPSLOT_TABEL="orders")
    answer = function.invoke(batch())
    assert answer is not None
    assert answer["raised"] == "ConfigurationError"
    (line,) = [line for line in function.lines() if line["event"] == "configuration_wrong"]
    assert "DROPSLOT_TABEL" in line["faults"][0]

"""A request that kills its environment ends as that request's failure, whichever environment takes the retry."""

import pytest

from dropslot.core.policy import KILLED_ITS_WORKER, MAX_STARTS, Ending, Returned
from dropslot.core.request import Request
from dropslot.core.transitions import Write
from tests.unit.engine.doubles import Gates, ScriptedRunner, asynchronous
from tests.unit.runtimes.lambda_.stand import Stand, returning

POISON = "caller#poison"


def deadly() -> ScriptedRunner:
    """Return a runner under which the poison never ends, and others do at once."""
    gates = Gates()

    async def script(request: Request) -> Ending:
        return await gates(request) if request.id == POISON else Returned(None)

    return ScriptedRunner(script)


def starts(stand: Stand, request_id: str = POISON) -> int:
    """Return the count on an item."""
    return int(stand.item(request_id).get("starts", {"N": "0"})["N"])


@asynchronous
async def test_poison_is_failed_after_three_deaths() -> None:
    """Given a crash right at the first delivery, then the fourth delivery fails it, and its neighbours are done."""
    runner = deadly()
    stand = Stand(runner)
    records = [stand.accept("caller#a"), stand.accept(POISON), stand.accept("caller#b")]
    await stand.clock.advance(0.5)
    deaths = 0
    while deaths < MAX_STARTS:
        await stand.clock.advance(0.1)  # a crash is quick, and so is Lambda's retry
        await stand.die(*records)
        deaths += 1
    await stand.clock.advance(0.1)
    assert await stand.invoke(*records) == []
    assert stand.item(POISON)["error"] == {"S": KILLED_ITS_WORKER}
    assert [request.id for request in runner.calls].count(POISON) == MAX_STARTS
    assert (stand.status("caller#a"), stand.status("caller#b")) == ("done", "done")


@asynchronous
async def test_poison_in_a_cold_environment_is_counted_from_the_first_death_on() -> None:
    """Given records that arrived before the environment started, then two deaths are enough."""
    runner = deadly()
    stand = Stand(runner)
    record = stand.accept(POISON)
    await stand.clock.advance(1)
    stand.environment = stand.new_environment()
    for _ in range(MAX_STARTS - 1):
        await stand.die(record)
        await stand.clock.advance(1)
    assert await stand.invoke(record) == []
    assert stand.status(POISON) == "failed"
    assert len(runner.calls) == MAX_STARTS - 1


@asynchronous
async def test_a_retry_that_a_warm_environment_takes_is_recognised_by_its_age() -> None:
    """Given an environment that was up before the record arrived, when it comes late, then its start is counted."""
    stand = Stand(returning())
    await stand.clock.advance(100)
    record = stand.accept(POISON)
    await stand.clock.advance(6)
    await stand.invoke(record)
    assert [write.transition for batch in stand.requests.batches for write in batch] == ["suspect", "done"]


@asynchronous
async def test_poison_among_warm_environments_is_failed_in_the_end() -> None:
    """Given three further warm environments that take the quick retries, then each costs one death more at most."""
    stand = Stand(deadly())
    warm = [stand.new_environment() for _ in range(3)]
    await stand.clock.advance(60)
    record = stand.accept(POISON)
    deaths = 0
    while stand.status(POISON) == "pending":
        await stand.clock.advance(0.2)
        if starts(stand) + 1 >= MAX_STARTS:
            assert await stand.invoke(record) == []
            continue
        await stand.die(record)
        if warm:
            stand.environment = warm.pop()
        deaths += 1
    assert deaths <= MAX_STARTS + 3
    assert stand.item(POISON)["error"] == {"S": KILLED_ITS_WORKER}


@asynchronous
async def test_bisecting_the_batch_forgets_no_death() -> None:
    """Given Lambda halving the batch after each death, then the half with the poison still ends it in time."""
    stand = Stand(deadly())
    batch = [stand.accept(f"caller#{number}") for number in range(3)] + [stand.accept(POISON)]
    await stand.clock.advance(0.5)
    deaths = 0
    while len(batch) > 1:
        await stand.die(*batch)
        deaths += 1
        half = len(batch) // 2
        assert await stand.invoke(*batch[:half]) == []
        batch = batch[half:]
    while starts(stand) + 1 < MAX_STARTS:
        await stand.die(*batch)
        deaths += 1
    assert await stand.invoke(*batch) == []
    assert deaths <= MAX_STARTS
    assert stand.status(POISON) == "failed"


@asynchronous
async def test_a_backlog_counts_no_more_starts_than_a_window_holds() -> None:
    """Given twenty old records and a window of four, then four starts are counted and sixteen requests just run."""
    stand = Stand(returning(), concurrency="4")
    records = [stand.accept(f"caller#{number}") for number in range(20)]
    await stand.clock.advance(60)
    await stand.invoke(*records)
    transitions = [write.transition for batch in stand.requests.batches for write in batch]
    assert (transitions.count("suspect"), transitions.count("done")) == (4, 20)


@asynchronous
async def test_an_invocation_that_answers_in_order_takes_the_counts_back() -> None:
    """Given an old request that still runs when time is up, then it isn't blamed: nobody died."""
    stand = Stand(deadly())
    record = stand.accept(POISON)
    await stand.clock.advance(60)
    assert await stand.invoke(record) != []
    assert starts(stand) == 0


@asynchronous
async def test_a_fault_of_ours_blames_nobody() -> None:
    """Given an old request whose outcome's write breaks in a way nobody foresaw, then its start isn't left counted."""

    def break_it(write: Write) -> None:
        if write.transition == "done":
            raise KeyError("nobody foresaw this")

    stand = Stand(returning())
    record = stand.accept(POISON)
    await stand.clock.advance(60)
    stand.requests.instead = break_it
    assert await stand.invoke(record) != []
    assert (stand.status(POISON), starts(stand)) == ("pending", 0)


@pytest.mark.parametrize("starts_before", [1, 2])
@asynchronous
async def test_a_parked_suspect_is_nobody_s_killer(starts_before: int) -> None:
    """Given a counted request that there is no time for, then it waits, and its count is gone, unless it was due."""
    stand = Stand(returning())
    record = stand.accept(POISON, starts=starts_before)
    await stand.clock.advance(60)
    await stand.invoke(record, remaining_seconds=60)
    assert stand.status(POISON) == ("waiting" if starts_before == 1 else "failed")
    assert starts(stand) == (0 if starts_before == 1 else starts_before)

"""What two looks at the leases say, case by case."""

import pytest

from dropslot.operate.diagnosis import ShardLag, diagnose, diagnose_leader, problems
from dropslot.operate.leases import LATEST, SHARD_END, TRIM_HORIZON, Lease, Leases
from dropslot.operate.shards import Reach, Shard

NOW_SECONDS = 1_000_000


def lease(shard_id: str = "s1", *, owner: str = "w1", counter: int = 5, checkpoint: str = "100") -> Lease:
    """Return a lease."""
    return Lease(shard_id=shard_id, owner=owner, counter=counter, checkpoint=checkpoint)


def leases(*these: Lease, leader: str = "w1", workers: dict[str, int] | None = None) -> Leases:
    """Return what the tables said."""
    told = workers if workers is not None else {"w1": NOW_SECONDS - 20}
    return Leases(leases={one.shard_id: one for one in these}, leader=leader, workers=told)


def shard(shard_id: str = "s1", *parents: str, closed: bool = False) -> Shard:
    """Return a shard of the stream."""
    return Shard(shard_id=shard_id, parents=parents, closed=closed)


def one(before: Lease | None, after: Lease | None, *shards: Shard, behind_ms: int | None = 0) -> ShardLag:
    """Return how shard s1 is."""
    lags = diagnose(
        leases(*([before] if before is not None else ())),
        leases(*([after] if after is not None else ())),
        {each.shard_id: each for each in (shards or (shard(),))},
        {"s1": Reach(behind_ms=behind_ms, resolved_until_ms=1_000)} if behind_ms is not None else {},
        seconds=10,
    )
    return next(lag for lag in lags if lag.shard_id == "s1")


@pytest.mark.parametrize(
    ("before", "after", "behind_ms", "state"),
    [
        (lease(), lease(counter=8), 0, "idle"),
        (lease(), lease(counter=8), 59_000, "running"),
        (lease(), lease(counter=8, checkpoint="101"), 900_000, "moving"),
        (lease(), lease(counter=8, checkpoint=SHARD_END, owner=""), 0, "ended"),
        (None, lease(counter=0), 900_000, "running"),
        (lease(owner="w0"), lease(), 0, "idle"),
    ],
    ids=["idle", "running", "far behind and moving", "ended", "just made", "just taken over"],
)
def test_what_moves_is_well(before: Lease | None, after: Lease, behind_ms: int, state: str) -> None:
    """Given a lease that is renewed, and a checkpoint that moves or has little before it, nothing is wrong."""
    lag = one(before, after, behind_ms=behind_ms)
    assert (lag.state, lag.problem) == (state, "")
    assert (lag.behind_ms, lag.resolved_until_ms) == (behind_ms, 1_000)


@pytest.mark.parametrize(
    ("before", "after", "behind_ms", "state", "says"),
    [
        (lease(), lease(counter=8), 61_000, "stuck", "nothing was resolved in 10 s"),
        (lease(), lease(), 0, "abandoned", "its owner hasn't renewed the lease in 10 s"),
        (lease(owner=""), lease(owner=""), 5, "no owner", "no worker has it"),
    ],
)
def test_what_stands_still_is_named(before: Lease, after: Lease, behind_ms: int, state: str, says: str) -> None:
    """Given a lease that isn't renewed, isn't owned, or a checkpoint that stands before much, the shard is named."""
    lag = one(before, after, behind_ms=behind_ms)
    assert lag.state == state
    assert says in lag.problem
    assert problems([lag]) == [f"s1: {lag.problem}"]


def test_a_shard_that_the_stream_lost_is_an_orphan() -> None:
    """Given a lease without its shard, it is told that nobody will ever end it, unless it has ended."""
    assert one(lease(), lease(counter=8), shard("s2"), behind_ms=None).state == "orphan"
    ended = lease(checkpoint=SHARD_END)
    assert one(ended, ended, shard("s2"), behind_ms=None).problem == ""


def test_a_parent_that_stands_still_holds_up_its_children() -> None:
    """Given a closed shard that nobody reads to its end, its children are named with it, and wait."""
    family = (shard(closed=True), shard("s2", "s1"), shard("s3", "s1"))
    stuck = one(lease(), lease(), *family)
    assert stuck.problem.endswith("Its children wait for it: s2, s3")

    lags = diagnose(leases(lease()), leases(lease()), {each.shard_id: each for each in family}, {}, seconds=10)
    assert [(lag.shard_id, lag.state, lag.problem) for lag in lags[1:]] == [
        ("s2", "waits for s1", ""),
        ("s3", "waits for s1", ""),
    ]


MERGED = (shard("s1", "s2", "s3"), shard("s2", closed=True), shard("s3", closed=True))
SPLIT_OF_LOST = (shard("s1", "s0"), shard("s2", "s0"))


def begun(shard_id: str = "s1", *, counter: int = 8, owner: str = "w1", checkpoint: str = TRIM_HORIZON) -> Lease:
    """Return a lease of which nothing was resolved yet, as its owner has just renewed it."""
    return lease(shard_id, counter=counter, owner=owner, checkpoint=checkpoint)


@pytest.mark.parametrize(
    ("shards", "mine", "others", "state", "says"),
    [
        (MERGED, begun(), (lease("s2", checkpoint=SHARD_END), lease("s3")), "waits for s3", ""),
        (MERGED, begun(), (lease("s2"), lease("s3")), "waits for s2, s3", ""),
        (MERGED, begun(checkpoint=LATEST), (lease("s3"),), "waits for s3", ""),
        (MERGED, begun(), (lease("s2", checkpoint=SHARD_END),), "stuck", "nothing was resolved in 10 s"),
        (MERGED, begun(checkpoint="100"), (lease("s3"),), "stuck", "nothing was resolved in 10 s"),
        (MERGED, begun(owner=""), (lease("s3"),), "no owner", "no worker has it"),
        (MERGED, begun(counter=5), (lease("s3"),), "abandoned", "hasn't renewed"),
        (SPLIT_OF_LOST, begun(), (lease("s0"),), "waits for s0", ""),
        (SPLIT_OF_LOST, begun(), (), "stuck", "nothing was resolved in 10 s"),
    ],
    ids=[
        "one parent left",
        "both",
        "from the newest on",
        "parents through",
        "begun before",
        "no owner",
        "dead owner",
        "parent lost",
        "parent past",
    ],
)
def test_a_child_that_waits_for_a_parent_is_not_stuck(
    shards: tuple[Shard, ...], mine: Lease, others: tuple[Lease, ...], state: str, says: str
) -> None:
    """Given a lease far behind that may not begin before a parent has ended, the shard waits, and nothing is wrong."""
    before = leases(lease(owner=mine.owner, checkpoint=mine.checkpoint), *others)
    by_id = {each.shard_id: each for each in shards}
    lags = diagnose(before, leases(mine, *others), by_id, {"s1": Reach(behind_ms=900_000)}, seconds=10)
    lag = next(each for each in lags if each.shard_id == "s1")
    assert lag.state == state
    assert says in lag.problem
    assert bool(lag.problem) is bool(says)


def test_an_orphan_is_named_with_the_children_that_wait_for_it() -> None:
    """Given a lease of a parent that the stream has lost, those of its children are named that haven't begun."""
    before = leases(lease("s0"), lease("s1", checkpoint=TRIM_HORIZON), lease("s2"))
    after = leases(lease("s0"), begun("s1"), lease("s2", counter=8))
    shards = {each.shard_id: each for each in (*SPLIT_OF_LOST, shard("s3", "s0"))}
    lags = diagnose(before, after, shards, {}, seconds=10)
    assert [(lag.shard_id, lag.state) for lag in lags] == [
        ("s0", "orphan"),
        ("s1", "waits for s0"),
        ("s2", "idle"),
        ("s3", "waits for s0"),
    ]
    assert lags[0].problem.endswith("Its children wait for it: s1, s3")
    assert [lag.problem for lag in lags[1:]] == ["", "", ""]


@pytest.mark.parametrize(
    ("shards", "others", "state", "is_problem"),
    [
        ((shard(),), (), "no lease", True),
        ((shard(closed=True),), (), "ended", False),
        ((shard("s1", "s0"), shard("s0", closed=True)), (lease("s0", checkpoint=SHARD_END),), "no lease", True),
        ((shard("s1", "s0"), shard("s0", closed=True)), (lease("s0"),), "waits for s0", False),
        ((shard("s1", "s0"), shard("s0", closed=True)), (), "no lease", True),
        ((shard("s1", "s0"),), (), "no lease", True),
        ((shard("s1", "s0"),), (lease("s0"),), "waits for s0", False),
        ((shard("s1", "s0"), shard("s0", "s9", closed=True)), (lease("s9"),), "waits for s0", False),
    ],
)
def test_a_missing_lease_is_named_where_there_must_be_one(
    shards: tuple[Shard, ...], others: tuple[Lease, ...], state: str, is_problem: bool
) -> None:
    """Given an open shard whose parents are through, it must have a lease; one that waits or is past needn't."""
    now = leases(*others)
    lags = diagnose(now, now, {each.shard_id: each for each in shards}, {}, seconds=10)
    lag = next(each for each in lags if each.shard_id == "s1")
    assert lag.state == state
    assert bool(lag.problem) is is_problem


@pytest.mark.parametrize(
    ("leader", "workers", "counter", "says"),
    [
        ("w1", {"w1": NOW_SECONDS - 20}, 5, ""),
        ("w1", {"w1": NOW_SECONDS - 600}, 8, ""),
        ("w1", {}, 8, ""),
        ("w1", {"w1": NOW_SECONDS - 600}, 5, "the leader w1 is silent for 600 s"),
        ("w9", {"w1": NOW_SECONDS}, 8, "the leader w9 has never told that it lives"),
        ("", {"w1": NOW_SECONDS}, 8, "no worker leads"),
    ],
    ids=["tells", "renews", "renews, no statistics", "silent", "unknown", "none"],
)
def test_a_stale_leader_is_named(leader: str, workers: dict[str, int], counter: int, says: str) -> None:
    """Given a leader that neither renews a lease nor tells that it lives, it is named."""
    before = leases(lease(), leader=leader, workers=workers)
    after = leases(lease(counter=counter), leader=leader, workers=workers)
    found = diagnose_leader(before, after, now_seconds=NOW_SECONDS)
    assert found.startswith(says)
    assert bool(found) is bool(says)

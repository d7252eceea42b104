"""What two looks at the leases say about each shard, and what is wrong: pure, so that every case can be tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dropslot.operate.leases import LATEST, SHARD_END, TRIM_HORIZON, Lease, Leases
from dropslot.operate.shards import Reach, Shard

#: A shard that is further behind and whose checkpoint stands still is stuck; the nearest records are just being run.
STUCK_BEHIND_MS: Final = 60_000
#: A function that is further behind: the limit of its alarm, too. Nothing tells whether its position moves.
LATE_FUNCTION_MS: Final = 15 * 60_000
#: Workers tell every 30 s that they live; the leader's lock runs out after 120 s.
SILENT_SECONDS: Final = 150
#: State of a shard that nobody reads because of a pause.
PAUSED: Final = "paused"
#: Checkpoints of a shard of which nothing was resolved yet.
_NOT_BEGUN: Final = frozenset({TRIM_HORIZON, LATEST})
_STUCK, _RUNNING, _IDLE = "stuck", "running", "idle"
#: States of a shard whose lease is renewed and whose checkpoint stands.
_OWNED: Final = frozenset({_STUCK, _RUNNING, _IDLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardLag:
    """How one shard is read.

    Args:
        shard_id: the shard.
        checkpoint: up to where all is resolved; "" if nobody has begun.
        behind_ms: how long ago the first record after it arrived; None if it wasn't asked for.
        owner: the worker, or function, that reads it; "" for nobody.
        state: in one or two words.
        problem: what is wrong, in a sentence; "" if nothing is.
        resolved_until_ms: when the record at the checkpoint arrived, in epoch milliseconds: all before it is resolved.
            None if that can't be told.
    """

    shard_id: str
    checkpoint: str
    behind_ms: int | None
    owner: str
    state: str
    problem: str = ""
    resolved_until_ms: int | None = None


def diagnose(
    first: Leases, second: Leases, shards: Mapping[str, Shard], reaches: Mapping[str, Reach], *, seconds: float
) -> list[ShardLag]:
    """Say how each shard is, those of the stream first.

    Args:
        first: the leases at the first look.
        second: the same at the second.
        shards: of the stream.
        reaches: of the second look's checkpoint, by shard; for shards with a lease that hasn't ended.
        seconds: between the looks; longer than a lease is left without renewal.
    """
    waits = {shard_id: _waits_for(shard, shards, second) for shard_id, shard in shards.items()}
    lags = []
    for shard_id in sorted(shards.keys() | second.leases.keys()):
        lease, waits_for = second.leases.get(shard_id), waits.get(shard_id, ())
        if lease is None:
            lags.append(_without_lease(shards[shard_id], waits_for))
            continue
        lag = _with_lease(first.leases.get(shard_id), lease, shards.get(shard_id), reaches.get(shard_id), seconds)
        children = [child for child in sorted(waits) if shard_id in waits[child]]
        lags.append(_with_children(_unless_it_waits(lag, waits_for), children))
    return lags


def diagnose_function(behind_ms: int | None) -> str:
    """Say what is wrong with a function that is so far behind; "" if nothing is."""
    if behind_ms is None or behind_ms < LATE_FUNCTION_MS:
        return ""
    return (
        f"it is {behind_ms / 60_000:,.0f} minutes behind: its batch fails again and again, or more comes in than it "
        "works off"
    )


def diagnose_unpaused(state: str) -> str:
    """Say what is wrong with a function whose mapping is in this state, neither off nor going off, during a pause."""
    return f"paused, but its mapping is {state}: dropslot pause once more disables it"


def diagnose_leader(first: Leases, second: Leases, *, now_seconds: float) -> str:
    """Say what is wrong with the leader, who alone gives leases to workers; "" if nothing is.

    Args:
        first: the leases at the first look.
        second: the same at the second.
        now_seconds: epoch seconds of the second look.
    """
    leader = second.leader
    if not leader:
        return "no worker leads: nobody gives leases to workers, which is well for seconds after a start only"
    renews = any(
        lease.owner == leader and shard_id in first.leases and lease.counter > first.leases[shard_id].counter
        for shard_id, lease in second.leases.items()
    )
    silent_seconds = now_seconds - second.workers.get(leader, 0)
    if renews or silent_seconds <= SILENT_SECONDS:
        return ""
    since = f"is silent for {silent_seconds:,.0f} s" if leader in second.workers else "has never told that it lives"
    return (
        f"the leader {leader} {since}: nobody gives leases to workers. Another leads two minutes after its death; "
        "if none does, restart the consumer"
    )


def _waits_for(shard: Shard, shards: Mapping[str, Shard], leases: Leases) -> Sequence[str]:
    """Return the parents that hold up a shard; none once it has begun.

    KCL begins a shard when none of its parents has a lease that hasn't ended, whether or not the stream still has it. A
    merge's child has its lease when the first of its parents ends: `BlockOnParentShardTask` and `ShutdownTask` of
    https://github.com/awslabs/amazon-kinesis-client.
    """
    lease = leases.leases.get(shard.shard_id)
    if lease is not None and lease.checkpoint not in _NOT_BEGUN:
        return ()
    return [parent for parent in shard.parents if _holds_up(parent, shards, leases)]


def _holds_up(parent: str, shards: Mapping[str, Shard], leases: Leases) -> bool:
    lease = leases.leases.get(parent)
    if lease is not None:
        return lease.checkpoint != SHARD_END
    # Without one it is past, unless it waits for its own parents.
    return parent in shards and bool(_waits_for(shards[parent], shards, leases))


def _without_lease(shard: Shard, waits_for: Sequence[str]) -> ShardLag:
    if waits_for:
        state, problem = _waiting(waits_for), ""
    elif shard.closed:
        # What is past and has no lease was finished, and KCL has dropped it.
        state, problem = "ended", ""
    else:
        state, problem = (
            "no lease",
            "nobody has begun to read it: the leader makes its lease within a minute, if there is one",
        )
    return ShardLag(shard_id=shard.shard_id, checkpoint="", behind_ms=None, owner="", state=state, problem=problem)


def _with_lease(
    before: Lease | None, lease: Lease, shard: Shard | None, reach: Reach | None, seconds: float
) -> ShardLag:
    behind_ms = reach.behind_ms if reach is not None else None
    state, problem = _judge(before, lease, shard, behind_ms, seconds)
    return ShardLag(
        shard_id=lease.shard_id,
        checkpoint=lease.checkpoint,
        behind_ms=behind_ms,
        owner=lease.owner,
        state=state,
        problem=problem,
        resolved_until_ms=reach.resolved_until_ms if reach is not None else None,
    )


def _unless_it_waits(lag: ShardLag, waits_for: Sequence[str]) -> ShardLag:
    """Leave a shard that may not begin yet in peace, unless nobody would begin it, either."""
    if not waits_for or lag.state not in _OWNED:
        return lag
    return replace(lag, state=_waiting(waits_for), problem="")


def _waiting(waits_for: Sequence[str]) -> str:
    return f"waits for {', '.join(waits_for)}"


def _with_children(lag: ShardLag, children: Sequence[str]) -> ShardLag:
    """Add to a problem whom else it holds up."""
    if not lag.problem or not children:
        return lag
    return replace(lag, problem=f"{lag.problem}. Its children wait for it: {', '.join(children)}")


def _judge(
    before: Lease | None, lease: Lease, shard: Shard | None, behind_ms: int | None, seconds: float
) -> tuple[str, str]:
    """Return state and problem."""
    if lease.checkpoint == SHARD_END:
        return "ended", ""
    if shard is None:
        return "orphan", (
            "the stream doesn't have this shard any more: it was made anew, or the records were older than its "
            "retention. The sweep brings what was in it; a worker that gets the lease ends it"
        )
    if not lease.owner:
        return "no owner", "no worker has it: the leader gives it to one within seconds, if there are any"
    return _judge_owned(before, lease, behind_ms, seconds)


def _judge_owned(before: Lease | None, lease: Lease, behind_ms: int | None, seconds: float) -> tuple[str, str]:
    if before is not None and lease.checkpoint != before.checkpoint:
        return "moving", ""
    if before is not None and (lease.owner, lease.counter) == (before.owner, before.counter):
        return "abandoned", (
            f"its owner hasn't renewed the lease in {seconds:g} s, so it died or can't reach the table; another worker "
            "takes over within seconds, if there is one"
        )
    if before is not None and behind_ms is not None and behind_ms > STUCK_BEHIND_MS:
        return _STUCK, (
            f"nothing was resolved in {seconds:g} s: its oldest request still runs (its time limit ends that), "
            "or the table of requests is out of reach for the worker"
        )
    return (_RUNNING if behind_ms else _IDLE), ""


def problems(lags: Sequence[ShardLag]) -> list[str]:
    """Return the problems, each with its shard."""
    return [f"{lag.shard_id}: {lag.problem}" for lag in lags if lag.problem]

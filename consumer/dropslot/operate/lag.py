"""How far the consumer is behind, shard by shard, and what keeps it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from dropslot.operate.diagnosis import (
    PAUSED,
    ShardLag,
    diagnose,
    diagnose_function,
    diagnose_leader,
    diagnose_unpaused,
    problems,
)
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.functions import lag_of_functions
from dropslot.operate.leases import SHARD_END, TRIM_HORIZON, read_leases
from dropslot.operate.moments import format_moment
from dropslot.operate.pausing import current_pause
from dropslot.operate.running import RunningStack
from dropslot.operate.screen import Screen
from dropslot.operate.shards import Stream
from dropslot.operate.target import Target

_COLUMNS: Final = ("SHARD", "STATE", "BEHIND", "RESOLVED UNTIL", "CHECKPOINT", "OWNER")


def show_lag(target: Target, screen: Screen, *, seconds: float, pause: Callable[[float], None] = time.sleep) -> bool:
    """Show how far each shard is; True if nothing is wrong.

    Args:
        target: the pipeline.
        screen: where to.
        seconds: between two looks at the leases; a lease is renewed every few seconds.
        pause: waits.

    Raises:
        OutOfReachError: something can't be asked, or no consumer has ever run.
    """
    paused = current_pause(target)
    if target.running is not None and target.running.positions is not None:
        lags, wrong = _of_mapping(target, target.running, Path(target.running.positions), paused=paused is not None), ""
    elif target.running is None and (found := lag_of_functions(target, paused=paused is not None)) is not None:
        lags, wrong = found, ""
    elif paused is None:
        lags, wrong = _of_leases(target, screen, seconds, pause)
    else:
        # Nobody holds a lease while nothing may run: what counts is how far it was.
        lags, wrong = [_as_paused(lag) for lag in _of_leases(target, screen, 0.0, pause)[0]], ""
    faults = [*problems(lags), *([wrong] if wrong else ())]
    if screen.as_json:
        screen.json({"paused": paused is not None, "shards": [_as_json(lag) for lag in lags], "problems": faults})
    else:
        screen.table(_COLUMNS, [_as_line(lag) for lag in lags])
        for fault in faults:
            screen.say(fault)
        if paused is not None:
            screen.say(f"{paused}; dropslot resume ends it")
        elif not faults:
            screen.say("nothing is wrong")
    return not faults


def _of_leases(
    target: Target, screen: Screen, seconds: float, pause: Callable[[float], None]
) -> tuple[list[ShardLag], str]:
    dynamodb, stream = target.dynamodb(), Stream(target.kinesis(), target.stream)
    first = read_leases(dynamodb, target.application)
    if first is None:
        raise OutOfReachError(f"no consumer has run yet: there is no lease table {target.application}")
    second = first
    if seconds:
        screen.say(f"watching the leases for {seconds:g} s")
        pause(seconds)
        second = read_leases(dynamodb, target.application) or first
    shards = stream.shards()
    now_ms = time.time_ns() // 1_000_000
    reaches = {
        shard_id: stream.reach(shard_id, lease.checkpoint, now_ms=now_ms)
        for shard_id, lease in second.leases.items()
        if shard_id in shards and lease.checkpoint != SHARD_END
    }
    lags = diagnose(first, second, shards, reaches, seconds=seconds)
    return lags, diagnose_leader(first, second, now_seconds=now_ms / 1000)


def _of_mapping(target: Target, running: RunningStack, file: Path, *, paused: bool) -> list[ShardLag]:
    """Look at the local mapping of the Lambda consumer: its positions are a file."""
    try:
        positions: Mapping[str, str] = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        positions = {}  # it has resolved nothing yet
    is_off = running.mapping_disabled is not None and Path(running.mapping_disabled).exists()
    stream = Stream(target.kinesis(), target.stream)
    now_ms = time.time_ns() // 1_000_000
    lags = []
    for shard_id in sorted(stream.shards()):
        position = positions.get(shard_id, TRIM_HORIZON)
        reach = stream.reach(shard_id, position, now_ms=now_ms)
        state = "ended" if position == SHARD_END else "running" if reach.behind_ms else "idle"
        lag = ShardLag(
            shard_id=shard_id,
            checkpoint=position,
            behind_ms=reach.behind_ms,
            owner="stream function",
            state=state,
            problem=diagnose_unpaused("enabled") if paused else diagnose_function(reach.behind_ms),
            resolved_until_ms=reach.resolved_until_ms,
        )
        lags.append(_as_paused(lag) if paused and is_off else lag)
    return lags


def _as_paused(lag: ShardLag) -> ShardLag:
    return replace(lag, state=PAUSED, problem="")


def _as_json(lag: ShardLag) -> dict[str, Any]:
    return {
        "shard": lag.shard_id,
        "state": lag.state,
        "behind_ms": lag.behind_ms,
        "resolved_until_ms": lag.resolved_until_ms,
        "checkpoint": lag.checkpoint or None,
        "owner": lag.owner or None,
        "problem": lag.problem or None,
    }


def _as_line(lag: ShardLag) -> tuple[str, ...]:
    behind = "" if lag.behind_ms is None else f"{lag.behind_ms / 1000:,.1f} s"
    resolved_until = "" if lag.resolved_until_ms is None else format_moment(lag.resolved_until_ms)
    return lag.shard_id, lag.state, behind, resolved_until, lag.checkpoint, lag.owner

"""Says from outside whether a consumer is well, by the heartbeats that its processes leave in the state folder."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.kcl.heartbeat import WORKER_FILE, read_shard_beats
from dropslot.settings import Settings

#: The supervisor beats each second, but not while it waits before a restart (30 s at most) and asks for the leases.
_WORKER_SILENT_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a check found.

    Args:
        healthy: whether the consumer may go on.
        reason: why, in a few words.
    """

    healthy: bool
    reason: str


def check_health(environment: Mapping[str, str], *, now_epoch_seconds: Callable[[], float] = time.time) -> Health:
    """Check the consumer whose environment this is.

    Args:
        environment: usually ``os.environ``, with the consumer's `DROPSLOT_` variables.
        now_epoch_seconds: the wall clock, which the heartbeats were written by.
    """
    try:
        settings = Settings.from_env(environment)
    except ConfigurationError as wrong:
        return Health(healthy=False, reason=str(wrong))
    if not settings.state_dir:
        return Health(healthy=False, reason="DROPSLOT_STATE_DIR isn't set, so there are no heartbeats to look at")
    return judge(
        Path(settings.state_dir),
        now_epoch_seconds=now_epoch_seconds(),
        # The supervisor kills it half a minute later. So the check tells of it first, and whoever replaces the
        # container after three checks, half a minute apart, comes second: usually there is no need any more.
        shard_silent_seconds=settings.stall_limit_seconds,
    )


def judge(state_dir: Path, *, now_epoch_seconds: float, shard_silent_seconds: float) -> Health:
    """Judge by the heartbeats of one folder.

    A worker without a shard is healthy: others may hold them all. So is one whose daemon is being restarted.

    Args:
        state_dir: the folder.
        now_epoch_seconds: when.
        shard_silent_seconds: a shard process whose last beat is older is stuck.
    """
    try:
        worker = json.loads((state_dir / WORKER_FILE).read_text())
        state, worker_beat = str(worker["state"]), float(worker["beat_epoch_seconds"])
    except OSError:
        return Health(healthy=False, reason=f"no consumer runs: there is no {WORKER_FILE} in {state_dir}")
    except (ValueError, KeyError, TypeError):
        return Health(healthy=False, reason=f"{state_dir / WORKER_FILE} is no heartbeat")
    silent_seconds = now_epoch_seconds - worker_beat
    if silent_seconds > _WORKER_SILENT_SECONDS:
        return Health(healthy=False, reason=f"the supervisor was {state}, and is silent for {silent_seconds:.0f} s")
    beats = read_shard_beats(state_dir)
    silences = {beat.shard_id: now_epoch_seconds - beat.beat_epoch_seconds for beat in beats}
    stuck = [f"{shard_id} for {silent:.0f} s" for shard_id, silent in silences.items() if silent > shard_silent_seconds]
    if stuck:
        return Health(healthy=False, reason=f"shards are stuck: {', '.join(stuck)}")
    return Health(healthy=True, reason=f"{state}, shards: {len(beats)}")

"""Says from outside whether a consumer is well, by the heartbeats that its processes leave in the state folder."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.kcl.fitness import PROVEN, TROUBLE, TROUBLE_SINCE
from dropslot.runtimes.kcl.heartbeat import WORKER_FILE, read_shard_beats
from dropslot.settings import Settings

#: The supervisor beats each second, but not while it waits before a restart (30 s at most) and asks for the leases.
_WORKER_SILENT_SECONDS: Final = 120.0
#: One that has worked may be out of work for so long: a new container wouldn't fare better in an outage, and a daemon
#: that is restarted is back long before.
_TROUBLE_SECONDS: Final = 300.0


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

    A worker without a shard is healthy: others may hold them all. So is one whose daemon is being restarted. But none
    is before it has worked once, so that a deployment of a version that can't ends, and is taken back.

    Args:
        state_dir: the folder.
        now_epoch_seconds: when.
        shard_silent_seconds: a shard process whose last beat is older is stuck.
    """
    try:
        worker = _Worker.read(state_dir / WORKER_FILE)
    except ValueError as wrong:
        return Health(healthy=False, reason=str(wrong))
    beats = read_shard_beats(state_dir)
    silences = {beat.shard_id: now_epoch_seconds - beat.beat_epoch_seconds for beat in beats}
    stuck = [f"{shard_id} for {silent:.0f} s" for shard_id, silent in silences.items() if silent > shard_silent_seconds]
    faults = [
        *worker.faults(now_epoch_seconds),
        *([f"shards are stuck: {', '.join(stuck)}"] if stuck else ()),
    ]
    if faults:
        return Health(healthy=False, reason="; ".join(faults))
    trouble = f", but {worker.trouble}" if worker.trouble else ""
    return Health(healthy=True, reason=f"{worker.state}, shards: {len(beats)}{trouble}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    """What the supervisor said last."""

    state: str
    beat_epoch_seconds: float
    proven: bool
    trouble: str
    trouble_since_epoch_seconds: float | None

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read its heartbeat.

        Raises:
            ValueError: there is none, in words for an operator.
        """
        try:
            values = json.loads(file.read_text())
            since = values[TROUBLE_SINCE]
            return cls(
                state=str(values["state"]),
                beat_epoch_seconds=float(values["beat_epoch_seconds"]),
                proven=bool(values[PROVEN]),
                trouble=str(values[TROUBLE]),
                trouble_since_epoch_seconds=float(since) if since is not None else None,
            )
        except OSError:
            raise ValueError(f"no consumer runs: there is no {file.name} in {file.parent}") from None
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{file} is no heartbeat") from None

    def faults(self, now_epoch_seconds: float) -> list[str]:
        """Say what is wrong with it."""
        silent_seconds = now_epoch_seconds - self.beat_epoch_seconds
        if silent_seconds > _WORKER_SILENT_SECONDS:
            return [f"the supervisor was {self.state}, and is silent for {silent_seconds:.0f} s"]
        if not self.proven:
            return [f"not at work yet: {self.trouble}"]
        since = self.trouble_since_epoch_seconds
        if since is not None and now_epoch_seconds - since > _TROUBLE_SECONDS:
            return [f"in trouble for {now_epoch_seconds - since:.0f} s: {self.trouble}"]
        return []

"""What can be chosen about a local mapping and its functions; every default is what the infrastructure deploys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dropslot.core import mapping
from dropslot.core.errors import ConfigurationError

FROM_FIRST: Final = "TRIM_HORIZON"
FROM_NOW: Final = "LATEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingOptions:
    """The settings of a mapping, and beside them the few that AWS doesn't let one set.

    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html

    Args:
        batch_size: records of one invocation at most.
        batching_window_seconds: how long records are gathered while there are fewer; 0 takes what is there.
        parallelization: batches of one shard that run at once; records of one partition key never do.
        bisect: halve a batch whose invocation failed.
        retry_attempts: further deliveries of a failing batch; -1 goes on until its records are too old.
        record_age_seconds: older records are given up, AWS takes 60 s and more; -1 gives none up.
        starting_position: where a mapping without positions begins, `FROM_FIRST` or `FROM_NOW`.
        filters: patterns; a record is delivered if it matches one of them.
        poll_seconds: pause after a read that brought nothing new; AWS reads each shard once a second.
        stream_timeout_seconds: time-out of the function that gets the batches.
        stream_memory_mib: its memory.
        sweep_every_seconds: from one start of the sweep function to the next.
        sweep_timeout_seconds: time-out of the sweep function.
        sweep_memory_mib: its memory.
        grace_seconds: how long invocations may go on when the mapping is stopped.
    """

    batch_size: int = mapping.BATCH_SIZE
    batching_window_seconds: float = mapping.BATCHING_WINDOW_SECONDS
    parallelization: int = mapping.PARALLELIZATION
    bisect: bool = mapping.BISECT
    retry_attempts: int = mapping.RETRY_ATTEMPTS
    record_age_seconds: float = mapping.RECORD_AGE_SECONDS
    starting_position: str = mapping.STARTING_POSITION
    filters: tuple[Mapping[str, Any], ...] = mapping.FILTERS
    poll_seconds: float = 1.0
    stream_timeout_seconds: float = mapping.STREAM_TIMEOUT_SECONDS
    stream_memory_mib: int = mapping.STREAM_MEMORY_MIB
    sweep_every_seconds: float = mapping.SWEEP_EVERY_SECONDS
    sweep_timeout_seconds: float = mapping.SWEEP_TIMEOUT_SECONDS
    sweep_memory_mib: int = mapping.SWEEP_MEMORY_MIB
    grace_seconds: float = 20.0

    def check(self) -> None:
        """Check what Lambda would refuse; the filters are checked by `compile_filters`.

        Raises:
            ConfigurationError: with one sentence for each fault.
        """
        faults = [
            f"{name}={value:g} must be from {low:g} to {high:g}"
            for name, value, low, high in (
                ("batch_size", self.batch_size, 1, 10_000),
                ("batching_window_seconds", self.batching_window_seconds, 0, 300),
                ("parallelization", self.parallelization, 1, 10),
                ("retry_attempts", self.retry_attempts, -1, 10_000),
                ("record_age_seconds", self.record_age_seconds, -1, 604_800),
                ("stream_timeout_seconds", self.stream_timeout_seconds, 1, 900),
                ("stream_memory_mib", self.stream_memory_mib, 128, 10_240),
                ("sweep_every_seconds", self.sweep_every_seconds, 0.1, 86_400),
                ("sweep_timeout_seconds", self.sweep_timeout_seconds, 1, 900),
                ("sweep_memory_mib", self.sweep_memory_mib, 128, 10_240),
            )
            if not low <= value <= high
        ]
        if self.starting_position not in {FROM_FIRST, FROM_NOW}:
            faults.append(f"starting_position={self.starting_position} must be {FROM_FIRST} or {FROM_NOW}")
        if faults:
            raise ConfigurationError(*faults)


#: The second mapping, of the function that pushes outcomes.
NOTIFY_OPTIONS: Final = MappingOptions(
    batch_size=mapping.NOTIFY_BATCH_SIZE,
    batching_window_seconds=mapping.NOTIFY_BATCHING_WINDOW_SECONDS,
    parallelization=mapping.NOTIFY_PARALLELIZATION,
    bisect=mapping.NOTIFY_BISECT,
    retry_attempts=mapping.NOTIFY_RETRY_ATTEMPTS,
    record_age_seconds=mapping.NOTIFY_RECORD_AGE_SECONDS,
    starting_position=mapping.NOTIFY_STARTING_POSITION,
    filters=mapping.NOTIFY_FILTERS,
    stream_timeout_seconds=mapping.NOTIFY_TIMEOUT_SECONDS,
    stream_memory_mib=mapping.NOTIFY_MEMORY_MIB,
    grace_seconds=5.0,
)

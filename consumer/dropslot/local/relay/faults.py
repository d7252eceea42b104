"""Faults on demand: which records the relay repeats, delays, swaps with their successor or leaves out."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from dropslot.core import names
from dropslot.core.errors import ConfigurationError

_RATES: Final = ("duplicate", "delay", "reorder", "skip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What happens to one record.

    Args:
        skip: it is left out.
        hold_seconds: it is put this much later; others overtake it.
        swap: it is put after its successor.
        copy_after_seconds: it is put once more, this long after the first time; None: it isn't.
    """

    skip: bool = False
    hold_seconds: float = 0.0
    swap: bool = False
    copy_after_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often the relay does what the stream on AWS may do. All rates are from 0 to 1; without any it is faithful.

    Args:
        duplicate: rate of records put twice.
        delay: rate of records held for `delay_seconds`.
        reorder: rate of records swapped with their successor.
        skip: rate of records left out.
        delay_seconds: how long a delayed record, and at most a repeated one's copy, is held.
        seed: the same seed hits the same changes, also after a restart and in another run.

    Raises:
        ConfigurationError: a rate or the delay is out of range.
    """

    duplicate: float = 0.0
    delay: float = 0.0
    reorder: float = 0.0
    skip: float = 0.0
    delay_seconds: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        faults = [
            f"relay fault {name} must be a rate from 0 to 1; got {getattr(self, name)!r}"
            for name in _RATES
            if not 0 <= getattr(self, name) <= 1
        ]
        if not 0 <= self.delay_seconds <= 3600:
            faults.append(f"relay fault delay_seconds must be from 0 to 3600; got {self.delay_seconds!r}")
        if faults:
            raise ConfigurationError(*faults)

    def fate(self, change_name: str) -> Fate:
        """Decide about the record of a change.

        Args:
            change_name: as of `change_name`.
        """
        if not (self.duplicate or self.delay or self.reorder or self.skip):
            return Fate()
        chance = random.Random(f"{self.seed}|{change_name}")
        # All draws are made in every case, so that one rate's value doesn't change what another one hits.
        duplicate, delay, reorder, skip, copy_after = (chance.random() for _ in range(5))
        return Fate(
            skip=skip < self.skip,
            hold_seconds=self.delay_seconds if delay < self.delay else 0.0,
            swap=reorder < self.reorder,
            copy_after_seconds=copy_after * self.delay_seconds if duplicate < self.duplicate else None,
        )

    def arguments(self) -> tuple[str, ...]:
        """Return the relay's command line arguments that say the same."""
        return tuple(
            part
            for field in fields(self)
            for part in (f"--{field.name.replace('_', '-')}", str(getattr(self, field.name)))
        )


def change_name(event: Mapping[str, Any], key: str) -> str:
    """Name a change by what it does: the same change has the same name in every run, unlike its sequence number.

    Args:
        event: one record of DynamoDB Streams.
        key: its partition key.
    """
    image = event["dynamodb"].get("NewImage", {})
    status = image.get(names.STATUS, {}).get("S", "").partition("-")[0]
    attempt = image.get(names.ATTEMPT, {}).get("N", "")
    return f"{key}/{event['eventName']}/{status}/{attempt}"

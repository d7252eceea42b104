"""What chaos needs of its machine, and how much of it there is: sizes and seed come from the environment."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from dropslot.local.doctor import missing_for_kcl


@pytest.fixture(autouse=True)
def _needs_parts() -> None:
    if missing := missing_for_kcl(os.environ):
        if os.environ.get("CI") == "true":
            pytest.fail(f"the stack can't run: {missing}")
        pytest.skip(str(missing))


@pytest.fixture
def seed(tell: Callable[[object], None]) -> int:
    """Seed of a chaos run, `CHAOS_SEED`; without it another one in each run, which is told to be used again."""
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(1 << 32)))
    tell(f"again with CHAOS_SEED={seed}")
    return seed


@pytest.fixture
def requests_count() -> int:
    """Ordinary requests of a chaos run, `CHAOS_REQUESTS`."""
    return int(os.environ.get("CHAOS_REQUESTS", "520"))


@pytest.fixture
def strikes() -> int:
    """Faults of a mixed schedule, `CHAOS_STRIKES`."""
    return int(os.environ.get("CHAOS_STRIKES", "4"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Takes logs and data."""
    return tmp_path / "chaos"

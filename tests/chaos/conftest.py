"""What chaos needs of its machine, and how much of it there is: consumer, sizes and seed come from the environment."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.local.doctor import missing_for_kcl
from dropslot.local.options import KCL
from dropslot.local.parts import Parts


@pytest.fixture
def consumer(request: pytest.FixtureRequest) -> str:
    """What runs requests: `CHAOS_CONSUMER`, or both in turn for a test that asks for it."""
    consumer: str = getattr(request, "param", os.environ.get("CHAOS_CONSUMER", KCL))
    missing = missing_for_kcl(os.environ) if consumer == KCL else ""
    try:
        Parts.find(os.environ, Path.cwd())
    except ConfigurationError as error:
        missing = str(error)
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the stack can't run: {missing}")
        pytest.skip(missing)
    return consumer


@pytest.fixture
def seed(tell: Callable[[object], None]) -> int:
    """Seed of a chaos run, `CHAOS_SEED`; without it another one in each run, which is told to be used again."""
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(1 << 32)))
    tell(f"again with CHAOS_SEED={seed}")
    return seed


@pytest.fixture
def size(consumer: str) -> tuple[int, int]:
    """Ordinary requests of a mixed run, `CHAOS_REQUESTS`, and its faults, `CHAOS_STRIKES`."""
    requests, strikes = ("520", "4") if consumer == KCL else ("330", "3")
    return int(os.environ.get("CHAOS_REQUESTS", requests)), int(os.environ.get("CHAOS_STRIKES", strikes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Takes logs and data."""
    return tmp_path / "chaos"

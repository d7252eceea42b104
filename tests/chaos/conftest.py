"""What chaos needs of its machine, and how much of it there is: sizes and seed come from the environment."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from dropslot.local.doctor import missing_for_kcl

_FIGURES: Final = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of all chaos runs, also of those that passed."""
    for line in terminalreporter.config.stash.get(_FIGURES, []):
        terminalreporter.write_line(line)


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Callable[[object], None]:
    """Take a figure for the end of the test run's output."""
    figures = pytestconfig.stash.setdefault(_FIGURES, [])
    return lambda figure: figures.append(str(figure))


@pytest.fixture(autouse=True)
def _needs_parts() -> None:
    if missing := missing_for_kcl(os.environ):
        if os.environ.get("CI") == "true":
            pytest.fail(f"the stack can't run: {missing}")
        pytest.skip(str(missing))


@pytest.fixture
def seed() -> int:
    """Seed of a chaos run, `CHAOS_SEED`."""
    return int(os.environ.get("CHAOS_SEED", "11"))


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

"""For all tests of the simulation: what a killed process leaves behind is no fault."""

import gc
import warnings
from collections.abc import Iterator

import pytest

#: An image is killed at any await, also between the making of a coroutine and its first step.
_KILLED = "ignore:coroutine .* was never awaited:RuntimeWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let such coroutines go while these tests run; others keep their strictness."""
    for item in items:
        if "simulation" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings(_KILLED))


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Collect the leavings of a test within it: another's would be blamed for them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for _ in range(2):  # a task that is destroyed is told of, and lives until the next time
            gc.collect()

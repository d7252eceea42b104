"""`make test` keeps suites that share servers together."""

import pytest


def test_this_test_is_in_its_lane(request: pytest.FixtureRequest) -> None:
    """Given several processes that test at once, then tests go out by lane: pytest-xdist may heed none, silently."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("only `make test` has lanes")
    assert request.node.nodeid.endswith("@rules")

"""Which folder a handler's changes are looked for in."""

from pathlib import Path

import pytest

from dropslot.local.reload import handler_folder


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("app.handler:handle", "app"),
        ("orders=app.handler:handle", "app"),
        ("shop.orders.handler:handle", "shop/orders"),
        ("handler:handle", "."),
    ],
)
def test_the_folder_is_that_of_the_module(handler: str, expected: str) -> None:
    """Given a handler's target, its module's folder is watched."""
    assert handler_folder(handler, Path("/here")) == Path("/here", expected)

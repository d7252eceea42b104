"""What the local stack needs of its machine."""

import os
from pathlib import Path

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.local.parts import Parts


@pytest.fixture
def needs_parts() -> None:
    """Skip without the servers' parts; in CI they must be there."""
    try:
        Parts.find(os.environ, Path(__file__))
    except ConfigurationError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))

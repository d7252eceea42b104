"""The stack's variants with their roles, synthesised once each, and the program that answers for IAM."""

import os
from pathlib import Path
from typing import Final

import pytest

from dropslot.local.parts import find_program
from tests.iam.deployment import Deployment

_SIMULATOR: Final = Path(__file__).parents[2] / "node_modules" / "@cloud-copilot" / "iam-simulate"


@pytest.fixture(scope="session", params=["kcl", "lambda"])
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """Each variant of the stack."""
    return Deployment.synthesise(request.param)


@pytest.fixture(scope="session")
def node() -> Path:
    """The Node.js launcher, where iam-simulate can be run."""
    found = find_program("node", os.environ, None)
    if found is None or not _SIMULATOR.is_dir():
        missing = "Node.js or iam-simulate (npm package @cloud-copilot/iam-simulate) is missing: run `make setup`"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found

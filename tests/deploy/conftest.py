"""For deployment tests: the emulator, and each variant's journey through it, both once a session."""

import os
from collections.abc import Iterator
from typing import Final

import pytest

from dropslot.core.errors import ConfigurationError
from tests.deploy.cdk import PROJECT, Cdk, find_cdk
from tests.deploy.journey import VARIANTS, Journey, travel
from tests.deploy.ministack import ACCOUNT, REGION, install, running_ministack
from tests.deploy.views.aws import Aws

_LOCK: Final = PROJECT / "requirements" / "emulator.txt"
_INSTALLED: Final = PROJECT / ".dropslot" / "emulator"


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an emulator of AWS that forgets everything at the end."""
    try:
        find_cdk()
        program = install(_INSTALLED, _LOCK)
    except ConfigurationError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    with running_ministack(program, tmp_path_factory.mktemp("ministack"), environment=os.environ) as url:
        yield url


@pytest.fixture(scope="session")
def aws(emulator: str) -> Iterator[Aws]:
    """The emulator's clients."""
    clients = Aws(emulator, region=REGION)
    yield clients
    clients.close()


@pytest.fixture(scope="session")
def cdk(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Cdk:
    """The command line, for an account that is ready for deployments."""
    command_line = Cdk(emulator, region=REGION, home=tmp_path_factory.mktemp("cdk"))
    command_line.bootstrap(ACCOUNT, REGION)
    return command_line


@pytest.fixture(scope="session")
def journeys(cdk: Cdk, aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Journey]:
    """What was seen of each variant."""
    return {variant: travel(variant, cdk, aws, tmp_path_factory.mktemp(variant)) for variant in VARIANTS}


@pytest.fixture(params=VARIANTS)
def journey(request: pytest.FixtureRequest, journeys: dict[str, Journey]) -> Journey:
    """What was seen of one variant."""
    return journeys[request.param]

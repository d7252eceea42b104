"""The image, built once, and the local stack with a container in the consumer's place."""

import os
import shlex
import shutil
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.local.options import StackOptions
from dropslot.local.parts import Parts
from dropslot.local.stack import Stack
from tests.container.image import ROOT, STATE_DIR, TAG, TOOLS, WORK_DIR, Container, build, run_command
from tests.e2e.pipeline import APPLICATION, Pipeline

HERE: Final = Path(__file__).parent
SETTINGS: Final = {
    # One try of a few seconds: a silent shard process then counts as stuck after a minute.
    "DROPSLOT_HANDLER_TIMEOUT_SECONDS": "5",
    "DROPSLOT_HANDLER_TRIES": "1",
    "DROPSLOT_SHUTDOWN_GRACE_SECONDS": "10",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A pipeline whose consumer is a container.

    Args:
        pipeline: the running stack.
        container: its consumer.
        state_dir: the container's state folder, as this machine sees it.
    """

    pipeline: Pipeline
    container: Container
    state_dir: Path


def skip_or_fail(reason: str) -> NoReturn:
    """Skip a test on a machine that lacks something; fail where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="package")
def image() -> str:
    """The image; returns what its build says of base and size."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        skip_or_fail(f"{', '.join(missing)} missing: apt-get install {' '.join(TOOLS)}")
    if sys.platform != "linux" or os.geteuid() != 0:
        skip_or_fail("building and running the image without an engine needs root on Linux")
    return build()


@pytest.fixture(scope="package")
def stand(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The local stack with the container as its consumer; its state folder is shared with it."""
    assert image
    try:
        Parts.find(os.environ, ROOT)
    except ConfigurationError as missing:
        skip_or_fail(str(missing))
    folder = tmp_path_factory.mktemp("container")
    container = Container(name=f"dropslot-test-{uuid.uuid4().hex[:8]}")
    options = StackOptions(
        handler="orders=app.handler:handle,tasks=container_handlers:busy",
        config=HERE / "dropslot.toml",
        log_dir=folder / "logs",
        application=APPLICATION,
        consumer_env=SETTINGS,
        consumer_command=_consumer_command(container.name),
    )
    try:
        with Stack(options, os.environ) as stack, Pipeline.of(stack, folder / "runs") as pipeline:
            yield Stand(pipeline=pipeline, container=container, state_dir=Path(stack.info.state) / "consumer")
            stack.check()
    finally:
        container.remove()


def _consumer_command(name: str) -> tuple[str, ...]:
    """Return a command that runs the container with the variables, and on the state folder, that the stack gives."""
    command = run_command(
        *("--env", "AWS_*", "--env", "DROPSLOT_*", "--env", f"DROPSLOT_STATE_DIR={STATE_DIR}"),
        *("--volume", f"{HERE / 'handlers.py'}:{WORK_DIR}/container_handlers.py:ro"),
        name=name,
    )
    return ("sh", "-c", f'exec {shlex.join(command)} --volume "$DROPSLOT_STATE_DIR:{STATE_DIR}:U" {TAG}')

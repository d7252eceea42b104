"""Running stacks: one that most tests share, and a maker of further ones."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.local.doctor import missing_for_kcl
from dropslot.local.mapping.options import MappingOptions
from dropslot.local.options import KCL, LAMBDA, StackOptions
from dropslot.local.parts import Parts
from dropslot.local.stack import Stack
from tests.e2e.handlers import RUN_LOG
from tests.e2e.pipeline import APPLICATION, Pipeline

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
HANDLERS: Final = {
    "notes": "tests.e2e.handlers:digest",
    "files": "tests.e2e.handlers:digest",
    "large": "tests.e2e.handlers:large",
    "tasks": "tests.e2e.handlers:task",
    "async-tasks": "tests.e2e.handlers:async_task",
    "meals": "tests.e2e.handlers:meal",
    "sagas": "tests.e2e.handlers:saga",
    "async-sagas": "tests.e2e.handlers:async_saga",
    "orders": "app.handler:handle",
}
#: Everything that takes minutes in production takes seconds here.
SETTINGS: Final = {
    "DROPSLOT_HANDLER_TIMEOUT_SECONDS": "2",
    "DROPSLOT_HANDLER_TRIES": "2",
    "DROPSLOT_RETRY_SCHEDULE_SECONDS": "1,1",
    "DROPSLOT_SWEEP_INTERVAL_SECONDS": "0.5",
    # Above anything that a busy machine may do: a redrive would be a run too many for some tests.
    "DROPSLOT_SWEEP_GRACE_SECONDS": "60",
    # The tests let more handlers hang than a process stands by default.
    "DROPSLOT_LOST_HANDLERS_MAX": "100",
}
#: As deployed, but with the waits of a schedule and a window shortened.
MAPPING: Final = MappingOptions(batching_window_seconds=0, parallelization=2, poll_seconds=0.1, sweep_every_seconds=0.5)


def skip_or_fail(reason: str) -> NoReturn:
    """Skip a test on a machine that lacks something; fail where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


MakePipeline = Callable[..., AbstractContextManager[Pipeline]]


@contextmanager
def _running(folder: Path, settings: Mapping[str, str], **choices: Any) -> Iterator[Pipeline]:
    try:
        Parts.find(os.environ, ROOT)
    except ConfigurationError as missing:
        skip_or_fail(str(missing))
    if choices.get("consumer", KCL) == KCL and (missing_kcl := missing_for_kcl(os.environ)):
        skip_or_fail(missing_kcl)
    run_log = folder / "runs"
    run_log.touch()
    python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    options = StackOptions(
        handler=",".join(f"{type_name}={target}" for type_name, target in HANDLERS.items()),
        application=APPLICATION,
        config=HERE / "dropslot.toml",
        log_dir=folder / "logs",
        # On a machine so busy that KCL loses its first lease meanwhile, it takes another minute or two to get it back.
        start_timeout_seconds=240,
        consumer_env={**SETTINGS, **settings, RUN_LOG: str(run_log), "PYTHONPATH": python_path},
        **choices,
    )
    with Stack(options, os.environ) as stack, Pipeline.of(stack, run_log) as pipeline:
        yield pipeline
        stack.check()


@pytest.fixture(scope="package", params=[KCL, LAMBDA])
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The stack that most tests share, with each consumer in turn."""
    folder = tmp_path_factory.mktemp("shared-stack")
    with _running(folder, {}, shards=2, consumer=request.param, mapping=MAPPING) as pipeline:
        yield pipeline


@pytest.fixture
def make_pipeline(tmp_path: Path) -> MakePipeline:
    """Make a stack of a test's own: takes settings of the consumer, then choices of `StackOptions`."""
    return lambda settings, **choices: _running(tmp_path, settings, **choices)

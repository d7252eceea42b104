"""What lives across invocations, and how a wrong configuration shows."""

import asyncio
import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import dropslot_stream
from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.lambda_.function import Function
from dropslot.runtimes.lambda_.stream import stream_function
from dropslot.settings import Settings
from tests.unit.runtimes.lambda_.stand import Context, event, lines

ENTRY_POINTS = ["dropslot_stream", "dropslot_sweep", "dropslot_socket", "dropslot_notify"]

Served = tuple[Settings, Mapping[str, Any], float, asyncio.AbstractEventLoop]


class Notes:
    """What a function was built with and served."""

    def __init__(self) -> None:
        self.built: list[Settings] = []
        self.served: list[Served] = []

    def build(self, settings: Settings, _remaining_ms: float) -> Settings:
        """Note the settings; they are what is kept."""
        self.built.append(settings)
        return settings

    async def serve(self, kept: Settings, given: Mapping[str, Any], remaining_ms: float) -> dict[str, Any]:
        """Note the invocation."""
        self.served.append((kept, given, remaining_ms, asyncio.get_running_loop()))
        return {"served": len(self.served)}


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def function(_logging_as_before: None) -> Iterator[Callable[..., Function[Any]]]:
    """A maker of functions that are closed in the end."""
    made: list[Function[Any]] = []

    def make(function: Function[Any]) -> Function[Any]:
        made.append(function)
        return function

    yield make
    for one in made:
        one.close()


def test_it_is_built_once_and_its_loop_lives_on(function: Callable[..., Function[Any]]) -> None:
    """Given two invocations, then both use what the first one built, on one loop, each with its own time."""
    notes = Notes()
    handler = function(
        Function({"DROPSLOT_TABLE": "orders"}, read=Settings.from_env, build=notes.build, serve=notes.serve)
    )
    assert handler({"first": 1}, Context(5_000)) == {"served": 1}
    assert handler({"second": 2}, Context(4_000)) == {"served": 2}
    (first, second) = notes.served
    assert [settings.table for settings in notes.built] == ["orders"]
    assert first[0] is second[0]
    assert first[3] is second[3]
    assert (first[1:3], second[1:3]) == (({"first": 1}, 5_000), ({"second": 2}, 4_000))


def test_nothing_is_read_before_the_first_invocation(function: Callable[..., Function[Any]]) -> None:
    """Given variables that come after the import, then they count."""
    notes = Notes()
    variables = {"DROPSLOT_NONSENSE": "1"}
    handler = function(Function(variables, read=Settings.from_env, build=notes.build, serve=notes.serve))
    variables.clear()
    handler({}, Context(1_000))
    assert len(notes.built) == 1


def test_wrong_settings_fail_every_invocation_and_are_all_listed(
    function: Callable[..., Function[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Given two wrong variables, then each invocation raises both, and logs them as one line, until it is mended."""
    notes = Notes()
    variables = {"DROPSLOT_TABEL": "x", "DROPSLOT_CONCURRENCY": "0"}
    handler = function(Function(variables, read=Settings.from_env, build=notes.build, serve=notes.serve))
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"CONCURRENCY.*DROPSLOT_TABEL"):
            handler({}, Context(1_000))
    told = lines(capsys.readouterr().err)
    assert [(line["event"], line["level"], len(line["faults"])) for line in told] == [
        ("configuration_wrong", "ERROR", 2)
    ] * 2
    variables.clear()
    assert handler({}, Context(1_000)) == {"served": 1}


def test_a_handler_that_cannot_be_used_is_said_at_the_first_invocation(
    function: Callable[..., Function[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Given the name of no module, then the invocation fails with what is missing, and takes no record."""
    handler = function(stream_function({"DROPSLOT_HANDLER": "nowhere_to_be_found:handle"}))
    with pytest.raises(ConfigurationError, match="no module 'nowhere_to_be_found'"):
        handler(event(), Context(300_000))
    assert "configuration_wrong" in capsys.readouterr().err


def test_a_time_out_too_short_for_its_handlers_is_said_before_they_are_imported(
    function: Callable[..., Function[Any]],
) -> None:
    """Given Lambda's default of 3 s, then the invocation fails with what to set."""
    handler = function(stream_function({"DROPSLOT_HANDLER": "nowhere_to_be_found:handle"}))
    with pytest.raises(ConfigurationError, match="set it to 70 s at least"):
        handler(event(), Context(2_990))


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_the_entry_points_can_be_imported_anywhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an environment that is all wrong, then importing them reads none of it."""
    monkeypatch.setenv("DROPSLOT_NONSENSE", "1")
    module = importlib.reload(importlib.import_module(name))
    assert callable(module.handler)


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_importing_an_entry_point_takes_no_sdk(name: str) -> None:
    """Given a fresh process, then what a cold start imports leaves out the SDK, which costs more than all the rest."""
    program = f"import sys, {name}; print([m for m in ('boto3', 'botocore', 'urllib3', 'rich') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(dropslot_stream.__file__).parent)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

"""Finding the user's handler, and saying what is wrong with it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.engine.handler import load_handler, load_handlers

Module = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Module]:
    """Write a module that can be imported; returns its name, one of its own for each test."""
    monkeypatch.syspath_prepend(tmp_path)
    name = f"their_handler_{abs(hash(request.node.nodeid))}"

    def write(source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source)
        return name

    yield write
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("source", "is_async"),
    [
        ("def handle(request): ...", False),
        ("async def handle(request): ...", True),
        ("def handle(request, note='x'): ...", False),
        ("def handle(*args): ...", False),
        ("handle = print", False),
        ("handle = lambda request: None", False),
        ("class Handler:\n    def __call__(self, request): ...\nhandle = Handler()", False),
        ("class Handler:\n    async def __call__(self, request): ...\nhandle = Handler()", True),
        ("class Handler:\n    def run(self, request): ...\nhandle = Handler().run", False),
        ("class Handler:\n    async def run(self, request): ...\nhandle = Handler().run", True),
        ("import functools\nasync def run(note, request): ...\nhandle = functools.partial(run, 'x')", True),
        ("import functools\ndef run(note, request): ...\nhandle = functools.partial(run, 'x')", False),
    ],
)
def test_what_can_be_called_with_a_request_is_a_handler(module: Module, source: str, is_async: bool) -> None:
    """Functions, methods, callable objects, partials; sync and async are told apart."""
    name = module(source)
    handler = load_handler(f"{name}:handle")
    assert handler.is_async is is_async
    assert callable(handler.function)
    assert handler.target == f"{name}:handle"


@pytest.mark.parametrize(
    ("source", "takes_steps"),
    [
        ("def handle(request): ...", False),
        ("def handle(request, steps): ...", True),
        ("def handle(request, journal): ...", True),
        ("def handle(request, steps=None): ...", True),
        ("def handle(request, retries=3): ...", False),
        ("def handle(request, *rest): ...", False),
        ("def handle(request, *, steps=None): ...", False),
        ("async def handle(request, steps): ...", True),
        ("class Kitchen:\n    def __call__(self, request, steps): ...\n\nhandle = Kitchen()", True),
        ("import functools\n\ndef cook(oven, request): ...\n\nhandle = functools.partial(cook, 1)", False),
    ],
)
def test_a_second_argument_asks_for_steps(module: Module, source: str, *, takes_steps: bool) -> None:
    """Given a handler that needs a second argument, or has one called steps, then it takes steps."""
    assert load_handler(f"{module(source)}:handle").takes_steps is takes_steps


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "has no function 'handle'"),
        ("handle = 5", "has no function 'handle'"),
        ("def handle(): ...", "def handle(request)"),
        ("def handle(one, two, three): ...", "def handle(request) or def handle(request, steps)"),
        ("def handle(*, request): ...", "def handle(request)"),
        ("import a_library_of_theirs", "it imports a_library_of_theirs, which is not installed"),
        ("raise RuntimeError('secret-4711')", "raised RuntimeError at"),
        ("def broken(:", "invalid syntax"),
        ("1 / 0", "raised ZeroDivisionError at"),
    ],
)
def test_what_cannot_is_explained(module: Module, source: str, says: str) -> None:
    """Each fault names the handler and what to do."""
    name = module(source)
    with pytest.raises(ConfigurationError) as caught:
        load_handler(f"{name}:handle")
    assert says in str(caught.value)
    assert f"{name}:handle" in str(caught.value)
    assert "secret-4711" not in str(caught.value)


@pytest.mark.parametrize("source", ["\n\n\n1 / 0", "\n\n\ndef broken(:"])
def test_a_module_that_breaks_is_shown_with_file_and_line(module: Module, source: str) -> None:
    """Where in the user's own file."""
    name = module(source)
    with pytest.raises(ConfigurationError, match=rf"{name}\.py:4"):
        load_handler(f"{name}:handle")


def test_a_module_that_exits_is_a_fault_like_any_other(module: Module) -> None:
    """Given a script without a main guard, then the consumer says so instead of ending without a word."""
    name = module("import sys\nsys.exit(3)")
    with pytest.raises(ConfigurationError, match="SystemExit"):
        load_handler(f"{name}:handle")


@pytest.mark.parametrize("target", ["no_such_module_of_theirs:handle", "no_such_package_of_theirs.inner:handle"])
def test_a_missing_module_asks_for_the_folder(target: str) -> None:
    """The usual reason: started in another folder."""
    with pytest.raises(ConfigurationError, match="is its folder the current one, or on PYTHONPATH"):
        load_handler(target)


def test_a_missing_submodule_of_an_existing_package_is_told(module: Module) -> None:
    """A package that is there doesn't hide what isn't."""
    name = module("")
    with pytest.raises(ConfigurationError, match="no module"):
        load_handler(f"{name}.inner:handle")


@pytest.mark.parametrize(
    "source",
    [
        "def handle(request) -> str: ...",
        "def handle(request) -> 'str': ...",
        "from __future__ import annotations\ndef handle(request) -> str: ...",
    ],
)
def test_a_handler_annotated_to_return_text_is_warned_of(
    module: Module, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A returned string is an error: teach Reject."""
    load_handler(f"{module(source)}:handle")
    (line,) = caplog.records
    assert line.levelname == "WARNING"
    assert "Reject" in str(vars(line))


def test_other_annotations_are_not_warned_of(module: Module, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing to say."""
    load_handler(f"{module('def handle(request) -> dict[str, int]: ...')}:handle")
    assert caplog.records == []


def test_all_faults_of_all_handlers_are_told_at_once(module: Module) -> None:
    """Given three types and two faults, then both are told."""
    name = module("def handle(request): ...")
    targets = {"a": "no_such_module_of_theirs:handle", "b": f"{name}:missing", "c": f"{name}:handle"}
    with pytest.raises(ConfigurationError) as caught:
        load_handlers(targets)
    assert len(caught.value.faults) == 2
    assert load_handlers({"c": f"{name}:handle"})["c"].target == f"{name}:handle"

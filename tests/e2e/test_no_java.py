"""What a newcomer without Java gets of `make run`."""

import os
import re
import shutil
import subprocess
import venv
from pathlib import Path
from typing import Final

import pytest

from dropslot.local.options import LAMBDA
from tests.e2e.conftest import ROOT, skip_or_fail

_VENV: Final = ".venv"
#: By which set-up knows that it has nothing to install.
_MARKERS: Final = (".dropslot-dev", ".dropslot-kcl")
#: The clone's own: what set-up installs, and what a run leaves behind.
_OWN: Final = frozenset({_VENV, ".git", ".dropslot", ".setup.lock"})


@pytest.fixture
def without_java(tmp_path: Path) -> dict[str, str]:
    """An environment with all programs of this machine but Java."""
    programs = tmp_path / "programs"
    programs.mkdir()
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep) if Path(folder).is_dir()]
    # Of two programs of a name, the first folder's.
    found = {program.name: program for folder in reversed(folders) for program in folder.iterdir()}
    for name, program in found.items():
        if not name.startswith("java"):
            (programs / name).symlink_to(program)
    # The tests may themselves be run by a make, whose flags this one must not take over.
    dropped = ("JAVA_HOME", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)} | {"PATH": str(programs)}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """This folder as it is set up, but with a virtual environment of its own, which leads to this one's packages."""
    if not all((ROOT / _VENV / marker).is_file() for marker in _MARKERS):
        skip_or_fail("this folder isn't set up: make setup")
    folder = tmp_path / "clone"
    folder.mkdir()
    for each in ROOT.iterdir():
        if each.name not in _OWN:
            (folder / each.name).symlink_to(each)
    venv.create(folder / _VENV)
    (packages,) = (folder / _VENV).glob("lib/python*/site-packages")
    theirs = ROOT / packages.relative_to(folder)
    (packages / "theirs.pth").write_text(f"import site; site.addsitedir({str(theirs)!r})\n")
    command = folder / _VENV / "bin" / "dropslot"
    command.write_text(f"#!{folder / _VENV}/bin/python\nfrom dropslot.cli import main\n\nmain()\n")
    command.chmod(0o755)
    for marker in _MARKERS:
        shutil.copy(ROOT / _VENV / marker, folder / _VENV)
    return folder


def test_without_java_one_line_says_what_runs_instead(clone: Path, without_java: dict[str, str]) -> None:
    """Given no Java, when `make run` is typed, then one line says that Lambda takes KCL's place, and all goes well."""
    run = subprocess.run(
        ["make", "run"],
        cwd=clone,
        env=without_java,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    first, *others = run.stdout.splitlines()
    assert first.startswith("KCL can't run here, so the Lambda consumer does: no java in PATH")
    assert [line for line in others if re.search("java|kcl", line, re.IGNORECASE)] == []
    assert f"consumer: {LAMBDA}" in others
    figures = dict(re.findall(r"^\W*(accepted|unsettled)\W+([\d,]+)\W*$", run.stdout, re.MULTILINE))
    assert (figures["accepted"], figures["unsettled"]) == ("800", "0")
    # It ran on what set-up has brought; the next one has nothing to install.
    assert (clone / _VENV / ".dropslot-java").is_file()

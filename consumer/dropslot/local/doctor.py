"""What this machine lacks to run Dropslot, and the command that gets it."""

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dropslot.core.errors import ConfigurationError
from dropslot.local.parts import find_java, find_package
from dropslot.runtimes.kcl import jars

MINIMUM_PYTHON: Final = (3, 11)
#: The oldest Node that kinesis-local is tried with.
MINIMUM_NODE: Final = 18

_TIMEOUT_SECONDS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """The command that gets what is missing.

    Args:
        debian: on Debian and Ubuntu.
        macos: on macOS, with Homebrew.
    """

    debian: str
    macos: str

    @classmethod
    def anywhere(cls, command: str) -> "Remedy":
        """Return a remedy that is the same on every system."""
        return cls(debian=command, macos=command)

    def here(self) -> str:
        """Return the command for this machine."""
        return self.macos if platform.system() == "Darwin" else self.debian


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Args:
        name: what.
        needed_for: what doesn't work without it.
        found: what was found; "" when it is missing or unusable.
        fault: why it can't be used, "" when it can.
        remedy: what to do about it.
    """

    name: str
    needed_for: str
    found: str
    fault: str
    remedy: Remedy

    @property
    def healthy(self) -> bool:
        """Nothing to do."""
        return not self.fault


def examine(environment: Mapping[str, str], root: Path) -> list[Check]:
    """Look at everything Dropslot needs.

    Args:
        environment: `PATH`, `JAVA_HOME` and `DROPSLOT_KCL_JARS` are read.
        root: folder to look for node_modules in.
    """
    return [
        _check("Python", "everything", _PYTHON, _python),
        _check("boto3", "everything", _SETUP, _boto3),
        _check("Java", "DynamoDB Local", _JAVA, lambda: _java(find_java(environment))),
        _check("KCL's Java", _KCL, _JAVA, lambda: _java(jars.find_java(environment))),
        _check("KCL jars", _KCL, _SETUP, lambda: _jars(environment)),
        _check("Node", "kinesis-local", _NODE, lambda: _node(environment)),
        _check("DynamoDB Local", "the local stack", _SETUP, lambda: _npm_package(root, "amplify-dynamodb-simulator")),
        _check("kinesis-local", "the local stack", _SETUP, lambda: _npm_package(root, "kinesis-local")),
    ]


_KCL: Final = "the consumer on KCL, and not the one on Lambda"
_SETUP: Final = Remedy.anywhere("make setup")
_PYTHON: Final = Remedy(debian="apt-get install python3 python3-venv", macos="brew install python@3.13")
_JAVA: Final = Remedy(debian="apt-get install openjdk-17-jre-headless", macos="brew install openjdk@17")
_NODE: Final = Remedy(debian="apt-get install nodejs npm", macos="brew install node")


class _UnusableError(Exception):
    """What was looked for isn't there, or can't be used."""


def _check(name: str, needed_for: str, remedy: Remedy, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, needed_for=needed_for, found=look(), fault="", remedy=remedy)
    except (_UnusableError, ConfigurationError) as wrong:
        return Check(name=name, needed_for=needed_for, found="", fault=str(wrong), remedy=remedy)


def _python() -> str:
    if sys.version_info < MINIMUM_PYTHON:
        raise _UnusableError(f"{platform.python_version()} is too old, 3.11 is the oldest that will do")
    return platform.python_version()


def _boto3() -> str:
    try:
        return version("boto3")
    except PackageNotFoundError:
        raise _UnusableError("not installed") from None


def _java(java: jars.Java) -> str:
    return f"{java.version} ({java.executable})"


def _jars(environment: Mapping[str, str]) -> str:
    found = jars.find_jars(environment.get("DROPSLOT_KCL_JARS", ""))
    return f"{found.version} ({len(found.files)} jars)"


def _node(environment: Mapping[str, str]) -> str:
    executable = shutil.which("node", path=environment.get("PATH"))
    if executable is None:
        raise _UnusableError("not on PATH")
    try:
        answer = subprocess.run(  # noqa: S603 - the path comes from PATH, as for any command
            [executable, "--version"], capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True
        )
        number = answer.stdout.strip().removeprefix("v")
        major = int(number.split(".")[0])
    except (OSError, subprocess.SubprocessError, ValueError):
        raise _UnusableError(f"{executable} --version doesn't work") from None
    if major < MINIMUM_NODE:
        raise _UnusableError(f"{number} is too old, {MINIMUM_NODE} is the oldest that will do")
    return f"{number} ({executable})"


def _npm_package(root: Path, name: str) -> str:
    folder = find_package(name, root)
    if folder is None:
        raise _UnusableError(f"npm package {name} is not in node_modules")
    return str(folder)


def missing_for_kcl(environment: Mapping[str, str]) -> str:
    """Return what keeps the KCL consumer from running, and what to do about it, in one line; "" when nothing does."""
    checks = [
        _check("Java", "", _JAVA, lambda: _java(jars.find_java(environment))),
        _check("KCL jars", "", _SETUP, lambda: _jars(environment)),
    ]
    return "; ".join(check.fault for check in checks if not check.healthy)


def as_dict(check: Check) -> dict[str, str | bool]:
    """Return a check for machines."""
    return {
        "name": check.name,
        "needed_for": check.needed_for,
        "healthy": check.healthy,
        "found": check.found,
        "fault": check.fault,
        "debian": check.remedy.debian,
        "macos": check.remedy.macos,
    }


def print_checks(checks: list[Check], console: Console) -> None:
    """Print checks for a person."""
    table = Table(show_header=False, box=None)
    for check in checks:
        mark = "[green]ok[/green]" if check.healthy else "[red]missing[/red]"
        table.add_row(mark, check.name, escape(check.found or check.fault))
    console.print(table)
    for check in checks:
        if not check.healthy:
            console.print(
                f"\n{check.name} (for {check.needed_for}): {check.remedy.here()}", highlight=False, markup=False
            )

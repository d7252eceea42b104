"""Finding and checking what the daemon runs on."""

import os
import zipfile
from pathlib import Path

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.kcl.jars import find_jars, find_java


def jar(folder: Path, name: str) -> Path:
    """Make a small jar."""
    file = folder / name
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "")
    return file


def java(folder: Path, script: str) -> dict[str, str]:
    """Make a program named java and an environment that leads to it."""
    file = folder / "bin" / "java"
    file.parent.mkdir()
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return {"JAVA_HOME": str(folder)}


def test_a_whole_folder_is_found(tmp_path: Path) -> None:
    """The version is that of the two jars, the class path has all."""
    for name in ("amazon-kinesis-client-3.1.3.jar", "amazon-kinesis-client-multilang-3.1.3.jar", "other-1.jar"):
        jar(tmp_path, name)
    jars = find_jars(str(tmp_path))
    assert jars.version == "3.1.3"
    assert len(jars.classpath.split(os.pathsep)) == 3


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    """A build whose downloads failed leaves no jars behind."""
    with pytest.raises(ConfigurationError, match="make setup"):
        find_jars(str(tmp_path))


def test_every_fault_is_told(tmp_path: Path) -> None:
    """A jar cut off and versions that differ."""
    jar(tmp_path, "amazon-kinesis-client-3.1.3.jar")
    jar(tmp_path, "amazon-kinesis-client-multilang-3.5.0.jar")
    whole = jar(tmp_path, "other-1.jar").read_bytes()
    (tmp_path / "other-1.jar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigurationError) as caught:
        find_jars(str(tmp_path))
    broken, mixed = caught.value.faults
    assert "other-1.jar is not a readable jar" in broken
    assert "3.1.3" in mixed
    assert "3.5.0" in mixed


@pytest.mark.parametrize(
    ("line", "version"), [('openjdk version "17.0.15" 2025-04-15', 17), ('java version "21" 2023-09-19', 21)]
)
def test_java_is_found_by_its_home(tmp_path: Path, line: str, version: int) -> None:
    """The version is on stderr, in one of several spellings."""
    found = find_java(java(tmp_path, f"echo '{line}' >&2"))
    assert found.version == version


@pytest.mark.parametrize("script", ["""echo 'java version "1.8.0_392"' >&2""", "exit 1", "echo hello"])
def test_java_that_will_not_do(tmp_path: Path, script: str) -> None:
    """Too old, a stub without a Java behind it, or something else by that name."""
    with pytest.raises(ConfigurationError, match="install Java"):
        find_java(java(tmp_path, script))


def test_no_java_at_all(tmp_path: Path) -> None:
    """Nothing in PATH, no JAVA_HOME."""
    with pytest.raises(ConfigurationError, match="JAVA_HOME is not set"):
        find_java({"PATH": str(tmp_path)})

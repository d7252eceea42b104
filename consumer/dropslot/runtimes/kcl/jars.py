"""What the KCL daemon runs on: its jars and a Java, found and checked before anything is started."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropslot.core.errors import ConfigurationError

#: The oldest Java that DynamoDB Local runs on; KCL alone would be content with less.
MINIMUM_JAVA: Final = 17
_CLIENT: Final = re.compile(r"amazon-kinesis-client-(\d[\w.]*)\.jar")
_MULTILANG: Final = re.compile(r"amazon-kinesis-client-multilang-(\d[\w.]*)\.jar")
_JAVA_VERSION: Final = re.compile(r'version "(?:1\.)?(\d+)')
_JAVA_TIMEOUT_SECONDS: Final = 30.0
_GET_JARS: Final = "run `make setup`, or set DROPSLOT_KCL_JARS to a folder with them"
_GET_JAVA: Final = (
    f"install Java {MINIMUM_JAVA} or newer (Debian: apt-get install openjdk-17-jre-headless; "
    "macOS: brew install openjdk@17)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jars:
    """A folder of jars that passed the checks.

    Args:
        version: of KCL, such as ``3.1.3``.
        files: all jars of the folder.
    """

    folder: Path
    version: str
    files: tuple[Path, ...]

    @property
    def classpath(self) -> str:
        """All jars, as Java's ``-cp`` takes them."""
        return os.pathsep.join(str(file) for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A Java that can be run.

    Args:
        executable: its path.
        version: the major version.
    """

    executable: Path
    version: int


def find_jars(configured_folder: str) -> Jars:
    """Find the daemon's jars and check that they are whole.

    A download that broke off while amazon_kclpy was built leaves an install that has some jars, or none.

    Args:
        configured_folder: `Settings.kcl_jars`; "" looks where amazon_kclpy put them.

    Raises:
        ConfigurationError: with every fault found and the command that mends it.
    """
    folder = Path(configured_folder) if configured_folder else _installed_folder()
    files = tuple(sorted(folder.glob("*.jar")))
    clients = [match[1] for file in files if (match := _CLIENT.fullmatch(file.name))]
    daemons = [match[1] for file in files if (match := _MULTILANG.fullmatch(file.name))]
    faults = [f"{file} is not a readable jar" for file in files if not _readable(file)]
    if len(clients) != 1 or len(daemons) != 1:
        faults.append(
            f"{folder} must hold one amazon-kinesis-client and one amazon-kinesis-client-multilang jar; "
            f"found {len(clients)} and {len(daemons)}"
        )
    elif clients != daemons:
        faults.append(f"{folder} holds KCL {clients[0]} but its multilang jar {daemons[0]}")
    if faults:
        raise ConfigurationError(*(f"{fault}: {_GET_JARS}" for fault in faults))
    return Jars(folder=folder, version=clients[0], files=files)


def find_java(environment: Mapping[str, str]) -> Java:
    """Find a Java that is new enough: `JAVA_HOME` first, then `PATH`.

    Args:
        environment: usually ``os.environ``.

    Raises:
        ConfigurationError: when there is none, it can't be run, or it is too old.
    """
    home = environment.get("JAVA_HOME")
    candidate = (
        str(Path(home) / "bin" / "java") if home else shutil.which("java", path=environment.get("PATH", os.defpath))
    )
    if candidate is None:
        raise ConfigurationError(f"no java in PATH and JAVA_HOME is not set: {_GET_JAVA}")
    try:
        # macOS has a stub named java that fails when there is no Java.
        answer = subprocess.run(  # noqa: S603 - the operator's own Java
            [candidate, "-version"],
            env=dict(environment),
            capture_output=True,
            text=True,
            check=True,
            timeout=_JAVA_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as failed:
        raise ConfigurationError(f"{candidate} can't be run ({type(failed).__name__}): {_GET_JAVA}") from failed
    match = _JAVA_VERSION.search(answer.stderr + answer.stdout)
    version = int(match[1]) if match else 0
    if version < MINIMUM_JAVA:
        raise ConfigurationError(f"{candidate} is Java {version or 'of an unknown version'}: {_GET_JAVA}")
    return Java(executable=Path(candidate), version=version)


def main() -> int:
    """Check the installed jars; for the set-up scripts."""
    try:
        find_jars("")
    except ConfigurationError as wrong:
        print(*wrong.faults, sep="\n", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _installed_folder() -> Path:
    resolved_by_maven = Path(sys.prefix) / "kcl-jars"
    if resolved_by_maven.is_dir():
        return resolved_by_maven
    # find_spec doesn't import the package: it costs nothing, and runs none of its code.
    spec = importlib.util.find_spec("amazon_kclpy")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(f"amazon_kclpy, which brings KCL's jars, is not installed: {_GET_JARS}")
    return Path(spec.submodule_search_locations[0]) / "jars"


def _readable(file: Path) -> bool:
    # Reading the directory at the end of the file finds what broke off; checking each entry would take a second.
    try:
        with zipfile.ZipFile(file) as jar:
            return bool(jar.infolist())
    except (OSError, zipfile.BadZipFile):
        return False


if __name__ == "__main__":
    sys.exit(main())

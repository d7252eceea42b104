"""The CDK command line, as people run it, with an emulator in AWS's place."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropslot.core.errors import ConfigurationError

PROJECT: Final = Path(__file__).resolve().parents[2]
_TIMEOUT_SECONDS: Final = 300


def find_cdk() -> Path:
    """Return the command line's program.

    Raises:
        ConfigurationError: it isn't installed.
    """
    program = PROJECT / "node_modules" / ".bin" / "cdk"
    if not program.is_file() or shutil.which("node") is None:
        raise ConfigurationError(f"{program} or node isn't there: `make setup` installs what it can")
    return program


class CdkError(Exception):
    """The command line said no; its words are the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command did.

    Args:
        output: all that it printed.
        seconds: it took.
    """

    output: str
    seconds: float


class Cdk:
    """Runs commands. Whatever the machine knows of a real account is kept from them.

    Args:
        endpoint: URL that stands for all of AWS.
        region: of the emulator.
        home: folder for what CDK keeps between runs.
    """

    def __init__(self, endpoint: str, *, region: str, home: Path) -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))},
            "AWS_ENDPOINT_URL": endpoint,
            # CDK's S3 client asks for this one.
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": region,
            "AWS_CONFIG_FILE": str(home / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_HOME": str(home),
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18,20",
            "NODE_NO_WARNINGS": "1",
            "CI": "true",
        }
        self._program = find_cdk()
        self._home = home

    def bootstrap(self, account: str, region: str) -> Ran:
        """Prepare an account; outside of the project, where there is no app to synthesise first."""
        return self._run("bootstrap", f"aws://{account}/{region}", cwd=self._home)

    def synth(self, folder: Path, context: Mapping[str, str]) -> Ran:
        """Synthesise the project's app into a folder."""
        options = [part for name, value in context.items() for part in ("-c", f"{name}={value}")]
        return self._run("synth", "--quiet", "--strict", "--output", str(folder), *options, cwd=PROJECT)

    def deploy(self, folder: Path) -> Ran:
        """Deploy what was synthesised into a folder."""
        return self._run("deploy", "--app", str(folder), "--require-approval", "never", "--progress", "events")

    def diff(self, folder: Path) -> Ran:
        """Say what a deployment would change.

        By templates alone: CDK knows itself which properties can't change in place, the emulator doesn't.
        """
        return self._run("diff", "--app", str(folder), "--method", "template")

    def destroy(self, folder: Path) -> Ran:
        """Delete what was deployed from a folder."""
        return self._run("destroy", "--app", str(folder), "--all", "--force")

    def _run(self, *arguments: str, cwd: Path | None = None) -> Ran:
        started = time.monotonic()
        ran = subprocess.run(
            [str(self._program), *arguments],
            cwd=cwd if cwd is not None else self._home,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        if ran.returncode:
            raise CdkError(f"cdk {' '.join(arguments)} ended with {ran.returncode}:\n{ran.stdout}")
        return Ran(output=ran.stdout, seconds=time.monotonic() - started)

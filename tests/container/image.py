"""The image and a container of it, as the tests use them."""

import json
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
TAG: Final = "localhost/dropslot:test"
TOOLS: Final = ("buildah", "podman", "runc", "debootstrap")
#: Where the image keeps its state, and where the consumer starts.
STATE_DIR: Final = "/var/lib/dropslot"
WORK_DIR: Final = "/srv/dropslot"


def build() -> str:
    """Build the image; return what the script says of it.

    Raises:
        AssertionError: it can't be built; with the end of the build's output.
    """
    built = subprocess.run([ROOT / "scripts" / "container-build", TAG], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return built.stdout.strip()


def run_shell(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a shell in a new container and wait for its end.

    Args:
        script: what the shell does.
        options: further ones of ``podman run``.
    """
    command = run_command("--entrypoint", "sh", *options, name=f"dropslot-shell-{uuid.uuid4().hex[:8]}")
    return subprocess.run([*command, TAG, "-c", script], capture_output=True, text=True, check=False, timeout=60)


def inspect_image(tag: str = TAG) -> dict[str, Any]:
    """Return what the image's configuration says."""
    (described,) = json.loads(_podman("image", "inspect", tag).stdout)
    assert isinstance(described, dict)
    return described


def run_command(*options: str, name: str) -> tuple[str, ...]:
    """Return the command that runs a container in the foreground, as locked up as the docs say.

    Args:
        options: further ones of ``podman run``.
        name: of the container; one that is left over is replaced.
    """
    return (
        *("podman", "--runtime", "runc", "run", "--rm", "--replace", "--name", name, "--network", "host"),
        *("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"),
        # The engine's own limits can't be raised that far on every machine.
        *("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"),
        *options,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A running container.

    Args:
        name: its name.
    """

    name: str

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell in it, as the image's user."""
        return _podman("exec", self.name, "sh", "-c", script)

    def health(self) -> subprocess.CompletedProcess[str]:
        """Run what the image says its health check is."""
        check = inspect_image()["Healthcheck"]["Test"]
        assert check[0] == "CMD", "the exec form, which needs no shell"
        return _podman("exec", self.name, *check[1:])

    def remove(self) -> None:
        """End it and forget it, if it is still there."""
        _podman("rm", "--force", "--ignore", "--time", "0", self.name)


def _podman(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["podman", "--runtime", "runc", *arguments], capture_output=True, text=True, check=False, timeout=60
    )

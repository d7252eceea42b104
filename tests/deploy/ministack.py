"""The emulator of AWS that stacks are deployed into: a program of its own, in an environment of its own."""

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dropslot.core.errors import ConfigurationError
from dropslot.local.guard import Guard
from dropslot.local.ports import LOOPBACK, free_ports
from dropslot.local.process import Process, ProcessSpec
from dropslot.local.servers import endpoint, wait_until

ACCOUNT: Final = "123456789012"
REGION: Final = "us-east-1"


def install(folder: Path, lock: Path) -> Path:
    """Put the emulator into an environment of its own, unless it is there: it pins a botocore that isn't ours.

    Args:
        folder: of the environment.
        lock: requirements with hashes.

    Returns:
        The emulator's program.

    Raises:
        ConfigurationError: it can't be had, with uv's own words.
    """
    uv = Path(sys.executable).with_name("uv")
    commands = [[str(uv), "pip", "sync", "--quiet", "--require-hashes", "--python", str(folder), str(lock)]]
    if not (folder / "pyvenv.cfg").is_file():
        commands.insert(0, [str(uv), "venv", "--quiet", "--python", sys.executable, str(folder)])
    for command in commands:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise ConfigurationError(f"ministack can't be installed: {ran.stderr.strip()}")
    return folder / "bin" / "ministack"


@contextmanager
def running_ministack(program: Path, log_dir: Path, *, environment: Mapping[str, str]) -> Iterator[str]:
    """Run the emulator for a `with` block, which gets its URL; it forgets everything at the end.

    Args:
        program: the emulator's.
        log_dir: takes its log and what else it writes.
        environment: its environment; AWS's variables and settings of its own are left out.

    Raises:
        LocalStackError: it doesn't start.
    """
    (port,) = free_ports(1)
    spec = ProcessSpec(
        name="ministack",
        command=(str(program),),
        environment={
            **{name: value for name, value in environment.items() if not name.startswith(("AWS_", "MINISTACK_"))},
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            # Listeners of its own on fixed ports and all interfaces.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # It would run the service's tasks where it finds an engine, and none must be needed.
            "DOCKER_HOST": f"unix://{log_dir / 'no-docker.sock'}",
            "TMPDIR": str(log_dir),
        },
        log=log_dir / "ministack.log",
    )
    with Guard() as guard:
        process = Process.start(spec, guard)
        try:
            wait_until(process, lambda: _answers(endpoint(port)))
            yield endpoint(port)
        finally:
            process.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_ministack/health", timeout=2):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False

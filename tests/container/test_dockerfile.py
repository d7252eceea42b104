"""The Dockerfile itself."""

import subprocess
import sys
from pathlib import Path

from tests.container.conftest import skip_or_fail
from tests.container.image import ROOT


def test_hadolint_finds_nothing() -> None:
    """Given the Dockerfile, when hadolint reads it at its strictest, then it has nothing to say."""
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        skip_or_fail("hadolint is missing: make setup")

    said = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (said.returncode, said.stdout) == (0, ""), said.stdout + said.stderr

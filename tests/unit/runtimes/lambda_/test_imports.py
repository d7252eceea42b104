"""What the functions load when they are imported: every module is paid for in each cold start."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]

#: An SDK, and what takes a millisecond or more of CPU and can be done without.
NEEDLESS = {"boto3", "botocore", "dataclasses", "email", "http", "ipaddress", "random", "tempfile", "urllib", "yaml"}


@pytest.mark.parametrize("function", ["dropslot_stream", "dropslot_sweep"])
def test_nothing_needless_is_loaded(function: str) -> None:
    """Given a fresh process, when a consumer's function is imported, then no SDK is, nor anything else needless."""
    # Without `site`, whose own imports say nothing about ours; so the project isn't found by itself.
    path = [str(ROOT / "lambda"), str(ROOT / "consumer"), *filter(None, sys.path)]
    program = f"import sys; sys.path[:0] = {path!r}; import {function}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "asyncio" in loaded
    assert not NEEDLESS & set(loaded)

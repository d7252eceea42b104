"""What set-up does for Java; tests/e2e/test_no_java.py has a machine without one."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_machine_with_java_gets_no_other(tmp_path: Path) -> None:
    """Given a Java, when set up, then pip installs none: it would take 100 MB."""
    java = tmp_path / "home" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\n")
    java.chmod(0o755)

    said = subprocess.run(
        [ROOT / "scripts" / "install-java", tmp_path / "no-venv"],
        env={**os.environ, "JAVA_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert (said.stdout, said.stderr) == ("", "")
    assert not (tmp_path / "no-venv").exists()

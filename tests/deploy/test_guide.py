"""The deployment guide against the code: settings with their defaults, endpoints, commands."""

import os
import re
import shutil
import subprocess
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

import pytest

from dropslot_infra.network import INTERFACE_ENDPOINTS
from dropslot_infra.settings import DeploymentSettings
from tests.deploy.cdk import PROJECT

_GUIDE: Final = PROJECT / "docs" / "deploy.md"
_DEFAULT_API: Final = "dropslot.toml"


@pytest.fixture(scope="module")
def guide() -> str:
    """The guide's text."""
    return _GUIDE.read_text(encoding="utf-8")


def as_toml(value: Any) -> str:
    """Write a default as an environment file would."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {as_toml(entry)}' for key, entry in value.items()) + "}"
    return str(list(value) if isinstance(value, tuple) else value)


def test_all_settings_are_listed_with_their_defaults(guide: str) -> None:
    """Given the code's settings, then the guide's table has each, in order, with its default."""
    listed = re.findall(r"^\| `(\w+)` \| `(.+?)` \| ", guide, re.MULTILINE)
    wanted = []
    for field in fields(DeploymentSettings):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        wanted.append((field.name, as_toml(_DEFAULT_API if default is MISSING else default)))
    assert listed == wanted


def test_endpoints_of_the_private_network_are_listed(guide: str) -> None:
    """Given what `private` makes, then the guide's table of endpoints has each, and the two gateways."""
    rows = re.findall(r"^\| (`[^|]+) \| [^|]+ \|$", guide.partition("| endpoint | for |")[2], re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([\w.-]+)`", row)}
    made = {service.short_name for service in INTERFACE_ENDPOINTS.values()}
    assert listed == made | {"dynamodb", "s3"}


def test_targets_and_environments_exist(guide: str) -> None:
    """Given the commands of the guide, then each `make` target and each environment they name is there."""
    makefile = (PROJECT / "Makefile").read_text()
    for target in re.findall(r"(?:^    |`)make ([a-z-]+)", guide, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for name in re.findall(r"-c env=([a-z]+)", guide):
        assert (PROJECT / "infra" / "environments" / f"{name}.toml").is_file(), name


@pytest.mark.parametrize("arguments", [(), ("URL=http://127.0.0.1:9",), ("TABLE=shop-requests",)])
def test_smoke_says_what_it_lacks(arguments: tuple[str, ...]) -> None:
    """Given not all that it needs, then `make smoke` ends at once with a line that says what to give."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is missing")
    # The tests may themselves be run by a make, whose flags this one must not take over.
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        [make, "smoke", *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("give both: make smoke URL=https://... TABLE=")


def test_links_lead_somewhere(guide: str) -> None:
    """Given the guide's links, then the files and headings that they name are there."""
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", guide):
        file, _, heading = target.partition("#")
        page = (_GUIDE.parent / file) if file else _GUIDE
        assert page.is_file(), target
        assert not heading or heading in _anchors(page), target


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}

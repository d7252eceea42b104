"""What a newcomer types does what the documentation says."""

import json
import os
import re
import shutil
import subprocess
import sys
from typing import Final

import pytest

from dropslot.local.options import KCL
from tests.e2e.conftest import ROOT, skip_or_fail
from tests.e2e.pipeline import Pipeline, eventually

_COMMAND: Final = re.compile(r"^ {4}(curl .*(?:\n {6,}.*)*)", re.MULTILINE)


@pytest.mark.parametrize("pipeline", [KCL], indirect=True)
@pytest.mark.usefixtures("pipeline")
def test_the_demonstration_ends_well_and_names_its_consumer() -> None:
    """Given no terminal, when the demonstration runs, beside another stack, then it exits 0 and says who ran it."""
    demo = subprocess.run(
        [sys.executable, "-m", "dropslot", "demo", "--require", KCL],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert f"consumer: {KCL}" in demo.stdout.splitlines()
    table = {
        cells[1].strip(): cells[2].strip().replace(",", "")
        for line in demo.stdout.splitlines()
        if len(cells := re.split("[│┃|]", line)) == 4
    }
    assert table["unsettled"] == "0"
    assert int(table["accepted"]) == int(table["done"]) + int(table["failed"]) > 500
    assert int(table["failed"]) > 0


def test_the_readme_s_commands_do_what_it_says(pipeline: Pipeline) -> None:
    """Given README's curl lines, when they are typed against a running stack, then they answer what it says."""
    accept, ask = _commands("README.md")

    accepted = _type(accept, pipeline)
    assert accepted.startswith("HTTP/1.1 202")
    assert "location: /orders/order-1" in accepted.lower()
    assert '"status": "pending"' in accepted

    eventually(lambda: json.loads(_type(ask, pipeline))["status"] != "pending", 30)
    state = json.loads(_type(ask, pipeline))
    assert (state["status"], state["result"]) == ("done", {"total_cents": 2200, "ready_in_minutes": 14})
    assert _type(accept, pipeline).startswith("HTTP/1.1 200")


def test_the_api_page_s_commands_do_what_it_says(pipeline: Pipeline) -> None:
    """Given the curl lines of the page about the API, when they are typed, then they answer what stands below them."""
    accept, ask, look = _commands("docs/http-api.md")

    accepted = _type(accept, pipeline)
    assert accepted.startswith("HTTP/1.1 202 Accepted")
    assert "location: /orders/order-1001" in accepted
    assert "retry-after: 1" in accepted
    assert accepted.rstrip().endswith('{"id": "order-1001", "status": "pending"}')

    eventually(lambda: json.loads(_type(ask, pipeline))["status"] == "done", 30)
    shown = next(line for line in _text("docs/http-api.md").splitlines() if '"result":' in line)
    expected, state = json.loads(shown), json.loads(_type(ask, pipeline))
    assert state.keys() == expected.keys()
    assert state["result"] == expected["result"]
    assert json.loads(_type(look, pipeline))["error"] == "no_steps"  # the shipped handler has none


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _commands(page: str) -> list[str]:
    return [match[1] for match in _COMMAND.finditer(_text(page))]


def _type(command: str, pipeline: Pipeline) -> str:
    """Run a command of a page in a shell, against the running stack; return what it prints."""
    if shutil.which("curl") is None:
        skip_or_fail("curl is missing")
    url = pipeline.stack.info.url
    return subprocess.run(
        ["bash", "-c", command.replace("http://127.0.0.1:PORT", url)],
        env={**os.environ, "URL": url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


@pytest.mark.parametrize(("page", "commands"), [("README.md", 2), ("docs/http-api.md", 3)])
def test_the_pages_have_commands(page: str, commands: int) -> None:
    """Given a page, then its curl lines are found: the tests above try them all."""
    assert len(_commands(page)) == commands

"""A headless Chromium, and a server of the example page as its README starts it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from tests.e2e.conftest import ROOT, skip_or_fail

#: No sandbox, since CI runs as root; the rest keeps it from calling anybody but the stack.
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Start the browser; skips or fails on a machine without it. Until it is stopped, this thread can't run asyncio."""
    chromium = shutil.which("chromium")
    if chromium is None:
        skip_or_fail("Chromium is missing: apt-get install --no-install-recommends chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        yield browser
        browser.close()


@contextmanager
def serving_page() -> Iterator[str]:
    """Serve the page; yields its origin."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    folder = ROOT / "examples" / "client"
    with subprocess.Popen(
        [*command, "--directory", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            # Its first line ends with its URL in brackets.
            yield server.stdout.readline().partition("(")[2].partition("/)")[0]
        finally:
            server.terminate()

"""A running stack, the example page, and a browser to open it in."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.chromium import running_chromium, serving_page
from tests.browser.kitchen import Kitchen
from tests.browser.page import Orders

OpenPage = Callable[..., Orders]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def origin() -> Iterator[str]:
    """Where the page is served."""
    with serving_page() as origin:
        yield origin


@pytest.fixture(scope="package")
def kitchen(browser: Browser, origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    """The stack behind the page."""
    with Kitchen.running(tmp_path_factory.mktemp("kitchen"), cors_origin=origin) as kitchen:
        yield kitchen


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of the test's own, whose tabs share what pages keep."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def open_page(kitchen: Kitchen, context: BrowserContext, origin: str) -> OpenPage:
    """Open the page in a new tab; `websocket_url` is the stack's, another or none."""

    def open_page(websocket_url: str | None = kitchen.stack.info.websocket_url) -> Orders:
        return Orders(context, origin, url=kitchen.stack.info.url, websocket_url=websocket_url)

    return open_page

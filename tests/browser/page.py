"""The example page in a tab of a real browser: what a test does with it and sees of it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from playwright.sync_api import BrowserContext, CDPSession, Page, expect

#: How long a test waits for what usually takes a second; only a fault uses it up. Longer than a client takes to ask
#: for what it watches.
PATIENCE_SECONDS: Final = 90.0

#: Notes each frame of a WebSocket with its time, and each outcome that a line of the page shows.
OBSERVER: Final = """
window.frames_ = [];
window.shown_ = [];
window.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    this.addEventListener("message", ({data}) => frames_.push([Date.now(), JSON.parse(data)]));
  }
};
new MutationObserver((changes) => {
  for (const {target} of changes) shown_.push([target.dataset.key, target.dataset.status]);
}).observe(document, {attributes: true, attributeFilter: ["data-status"], subtree: true});
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame that the page got.

    Args:
        at_ms: when, in milliseconds since 1970.
        body: what it says.
    """

    at_ms: int
    body: Mapping[str, Any]


class Orders:
    """The page in one tab.

    Args:
        context: of the browser; tabs of one context share what pages keep.
        origin: where the page is served.
        url: of the API.
        websocket_url: where outcomes are pushed; without it, the page only asks.
    """

    def __init__(self, context: BrowserContext, origin: str, *, url: str, websocket_url: str | None) -> None:
        given = {"url": url} | ({"websocket": websocket_url} if websocket_url is not None else {})
        self._given = urlencode(given)
        self._states = f"{url}/*/*"
        self._address = f"{origin}/?{self._given}"
        self.tab: Page = context.new_page()
        self.tab.set_default_timeout(PATIENCE_SECONDS * 1000)
        self.tab.add_init_script(OBSERVER)
        self._devtools = context.new_cdp_session(self.tab)
        self.load()

    def load(self) -> None:
        """Load the page, or load it again."""
        self.tab.goto(self._address)

    def stop_asking(self) -> None:
        """Let nothing that the page asks from now on reach the API: only a frame can tell it anything then."""
        block(self._devtools, self._states)

    def go_on_asking(self) -> None:
        """Let the page ask again."""
        block(self._devtools)

    def order(self, dish: str) -> str:
        """Order by the form; return the order's key."""
        known = set(self.statuses())
        self.tab.get_by_label("Dish").fill(dish)
        self.tab.get_by_role("button", name="Order").click()
        (key,) = set(self.statuses()) - known
        return key

    def statuses(self) -> dict[str, str]:
        """Return the status of each line, by its order's key."""
        lines = "[...document.querySelectorAll('#orders li')].map(({dataset: {key, status}}) => [key, status])"
        return dict(self.tab.evaluate(f"() => {lines}"))

    def await_status(self, key: str, status: str, *, within_seconds: float = PATIENCE_SECONDS) -> str:
        """Wait until an order's line has a status; return its text."""
        line = self.tab.locator(f'#orders li[data-key="{key}"][data-status="{status}"]')
        expect(line).to_have_count(1, timeout=within_seconds * 1000)
        return line.inner_text()

    def await_watched(self, key: str, times: int = 1) -> None:
        """Wait until the server has confirmed so many watches of an order since the page was loaded."""
        self._await_frames(key, "pending|waiting", times)

    def await_told(self, key: str, status: str) -> None:
        """Wait for a frame that tells this of a request."""
        self._await_frames(key, status, 1)

    def _await_frames(self, key: str, statuses: str, times: int) -> None:
        script = """([key, statuses, times]) =>
            frames_.filter(([, { id, status }]) => id === key && RegExp(statuses).test(status)).length >= times
        """
        self.tab.wait_for_function(script, arg=[key, statuses, times])

    def frames(self, key: str) -> list[Frame]:
        """Return the frames about an order since the page was loaded."""
        frames = [Frame(at_ms=at_ms, body=body) for at_ms, body in self.tab.evaluate("() => frames_")]
        return [frame for frame in frames if frame.body.get("id") == key]

    def shown(self, key: str) -> list[str]:
        """Return the statuses that an order's line has taken since the page was loaded."""
        return [status for line, status in self.tab.evaluate("() => shown_") if line == key]

    def wait_for(self, request_id: str, **options: Any) -> None:
        """Have a client of its own, with further options, wait for the outcome of any request."""
        script = """async ([id, parameters, options]) => {
            const { Client } = await import("./client.js");
            const { url, websocket } = Object.fromEntries(new URLSearchParams(parameters));
            window.told_ = null;
            const client = new Client({ url, websocketUrl: websocket, ...options });
            client.outcome("orders", id).then((told) => { window.told_ = told; });
        }"""
        self.tab.evaluate(script, [request_id, self._given, options])

    def told(self) -> Mapping[str, Any]:
        """Return what the client of `wait_for` was told, once it was."""
        told: Mapping[str, Any] = self.tab.wait_for_function("() => told_").json_value()
        return told


def block(devtools: CDPSession, *patterns: str) -> None:
    """Let no call to such URLs leave a tab, or with none all of them again. Nothing of it runs in the test."""
    devtools.send("Network.enable")
    devtools.send("Network.setBlockedURLs", {"urls": list(patterns)})


def new_name(prefix: str) -> str:
    """Return a name that no other test has."""
    return f"{prefix}{uuid.uuid4().hex[:8]}"

"""The example page learns each outcome, once, whatever happens to its connections, its server or itself."""

import statistics
from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import Route

from dropslot.core import names
from tests.browser.conftest import OpenPage
from tests.browser.handlers import GONE, HELD
from tests.browser.kitchen import POLL_SECONDS, Kitchen
from tests.browser.page import new_name
from tests.e2e.pipeline import eventually

_MEASURED: Final = 10
#: Less than the minute after which the page asks for what it thinks is watched.
_SOON_SECONDS: Final = 45.0


@pytest.mark.parametrize(("dish", "status", "words"), [("funghi", "done", "funghi"), (GONE, "failed", "menu")])
def test_an_order_is_sent_watched_and_its_outcome_shown(
    open_page: OpenPage, dish: str, status: str, words: str
) -> None:
    """Given an order by the form, then the page shows its result or why it failed, once."""
    page = open_page()
    key = page.order(dish)
    assert words in page.await_status(key, status)
    assert page.shown(key).count(status) == 1


def test_the_outcome_is_pushed_as_soon_as_it_is_written(
    open_page: OpenPage, kitchen: Kitchen, tell: Callable[[object], None]
) -> None:
    """Given watched orders whose outcomes are then written, then each push reaches the page."""
    page, dish = open_page(), new_name(HELD)
    keys = [page.order(dish) for _ in range(_MEASURED)]
    for key in keys:
        page.await_watched(key)
    kitchen.open_gate(dish)
    for key in keys:
        page.await_status(key, "done")
    written_ms = {key: int(kitchen.item(key)["due_at"]["N"]) for key in keys}
    pushes = {key: frame for key in keys for frame in page.frames(key) if frame.body["status"] == "done"}
    # One may be lost, and is asked for then.
    assert len(pushes) >= _MEASURED - 1
    waits_ms = [frame.at_ms - written_ms[key] for key, frame in pushes.items()]
    assert min(waits_ms) >= 0
    tell(
        f"outcome written to message received in Chromium, p50 of {_MEASURED}: {statistics.median(waits_ms):.0f} ms, "
        f"worst {max(waits_ms)} ms; the stream is read every {POLL_SECONDS:g} s"
    )


def test_an_outcome_from_before_the_watch_is_told_at_once(open_page: OpenPage) -> None:
    """Given a settled request, when it is watched by a page that can't ask, then it is told the outcome alone."""
    page = open_page()
    key = page.order("funghi")
    page.await_status(key, "done")
    page.load()
    page.stop_asking()
    page.wait_for(key)
    assert page.told()["result"] == {"made": "funghi"}
    assert {frame.body["status"] for frame in page.frames(key)} == {"done"}


def test_an_id_that_nobody_has_is_unknown(open_page: OpenPage) -> None:
    """Given an id without a request, then the socket says so, and the client once the API has confirmed it."""
    page, unknown = open_page(), new_name("nobody-")
    page.stop_asking()
    page.wait_for(unknown)
    page.await_told(unknown, "unknown")
    page.go_on_asking()
    assert page.told() == {"id": unknown, "type": "orders", "status": "unknown"}
    assert [frame.body["status"] for frame in page.frames(unknown)] == ["unknown"]


def test_an_outcome_whose_push_was_lost_is_asked_for(open_page: OpenPage, kitchen: Kitchen) -> None:
    """Given a watched order whose push is lost, then the client asks all the same, in its time."""
    page, dish = open_page(), new_name(HELD)
    key = page.order(dish)
    page.await_watched(key)
    page.wait_for(key, watchedAskMs=1000)
    page.await_watched(key, times=2)
    kitchen.lose_watches(key)
    kitchen.open_gate(dish)
    assert page.told()["status"] == "done"
    assert {frame.body["status"] for frame in page.frames(key)}.isdisjoint({"done"})


def test_a_cut_connection_comes_back_and_watches_again(open_page: OpenPage, kitchen: Kitchen) -> None:
    """Given a watched order whose connection the server closes, then the page watches on a new one and is pushed to."""
    page, dish = open_page(), new_name(HELD)
    key = page.order(dish)
    page.await_watched(key)
    page.stop_asking()
    assert kitchen.cut_connections() >= 1
    page.await_watched(key, times=2)
    kitchen.open_gate(dish)
    page.await_status(key, "done")
    assert page.shown(key).count("done") == 1


def test_a_connection_that_is_good_for_nothing_is_replaced(open_page: OpenPage, kitchen: Kitchen) -> None:
    """Given a connection whose watches the server refuses, then the page connects and watches anew."""
    page, dish = open_page(), new_name(HELD)
    page.await_watched(page.order(dish))
    kitchen.forget_connections()
    key = page.order(dish)
    page.await_watched(key)
    page.stop_asking()
    kitchen.open_gate(dish)
    page.await_status(key, "done")


def test_an_outcome_while_the_server_is_down_is_asked_for(open_page: OpenPage, kitchen: Kitchen) -> None:
    """Given no WebSocket server when the outcome is written, then the page asks, and is pushed to once it is back."""
    page, dish = open_page(), new_name(HELD)
    key = page.order(dish)
    page.await_watched(key)
    kitchen.stack.kill("socket")
    try:
        kitchen.open_gate(dish)
        page.await_status(key, "done", within_seconds=_SOON_SECONDS)
        assert {frame.body["status"] for frame in page.frames(key)}.isdisjoint({"done"})
        later_dish = new_name(HELD)
        later = page.order(later_dish)
    finally:
        kitchen.stack.restart("socket")
    page.await_watched(later)
    page.stop_asking()
    kitchen.open_gate(later_dish)
    page.await_status(later, "done")
    assert page.shown(key).count("done") == page.shown(later).count("done") == 1


@pytest.mark.parametrize("websocket_url", [None, "ws://127.0.0.1:1/local"], ids=["none", "nobody-listens"])
def test_without_a_websocket_the_page_asks(open_page: OpenPage, kitchen: Kitchen, websocket_url: str | None) -> None:
    """Given no server that pushes, then the page shows each outcome all the same."""
    page, dish = open_page(websocket_url), new_name(HELD)
    at_once, held = page.order("funghi"), page.order(dish)
    page.await_status(at_once, "done")
    kitchen.open_gate(dish)
    page.await_status(held, "done")
    assert page.shown(held).count("done") == 1
    assert page.frames(held) == []


def test_two_tabs_are_both_told(open_page: OpenPage, kitchen: Kitchen) -> None:
    """Given two tabs that watch one order and can't ask, then both show its outcome, each once."""
    first, dish = open_page(), new_name(HELD)
    key = first.order(dish)
    first.await_watched(key)
    second = open_page()
    second.await_watched(key)
    for page in (first, second):
        page.stop_asking()
    kitchen.open_gate(dish)
    for page in (first, second):
        page.await_status(key, "done")
        assert page.shown(key).count("done") == 1


def test_a_page_that_is_loaded_again_goes_on(open_page: OpenPage, kitchen: Kitchen) -> None:
    """Given a page that was left before the outcome, when it is loaded again, then it shows it, sent once."""
    page, dish = open_page(), new_name(HELD)
    key = page.order(dish)
    page.await_status(key, "pending")
    page.tab.goto("about:blank")
    kitchen.open_gate(dish)
    eventually(lambda: kitchen.item(key)["status"]["S"].startswith(names.DONE))
    page.load()
    page.await_status(key, "done")
    page.load()
    assert page.statuses()[key] == "done"
    assert len(kitchen.orders(dish)) == 1


def test_an_order_sent_while_the_api_is_down_is_stored_once(open_page: OpenPage, kitchen: Kitchen) -> None:
    """Given no API, when an order is sent and the page loaded again, then it is stored once the API is back, once."""
    page, dish = open_page(), new_name("late-")
    kitchen.stack.kill("gateway")
    try:
        key = page.order(dish)
        assert page.statuses()[key] == "sending"
        page.load()
        assert page.statuses()[key] == "sending"
    finally:
        kitchen.stack.restart("gateway")
    page.await_status(key, "done")
    assert kitchen.orders(dish) == [f"-#orders#{key}"]


def test_an_order_whose_answer_was_lost_is_stored_once(open_page: OpenPage, kitchen: Kitchen) -> None:
    """Given an order that was stored and whose answer never came, then it is sent under its key again, not anew."""
    page, dish = open_page(), new_name("lost-")
    sent: list[str | None] = []

    def lose_the_first(route: Route) -> None:
        sent.append(route.request.header_value("idempotency-key"))
        if len(sent) == 1:
            assert route.fetch().status == 202
            route.abort()
        else:
            route.continue_()

    page.tab.route(f"{kitchen.stack.info.url}/orders", lose_the_first)
    key = page.order(dish)
    page.await_status(key, "done")
    assert sent[:2] == [key, key]
    assert kitchen.orders(dish) == [f"-#orders#{key}"]

"""The example clients on an API that asks who calls; the Python client whatever happens to connections and servers."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from dropslot.local.clients import REGION
from dropslot.local.gateway.callers import RoleSession
from dropslot.local.ports import LOOPBACK
from dropslot_client import Client, RefusedError, State
from tests.browser.chromium import running_chromium, serving_page
from tests.browser.handlers import GONE, HELD
from tests.browser.kitchen import TYPE, Kitchen
from tests.browser.page import OBSERVER, block, new_name
from tests.browser.signing import make_clients, signer
from tests.contract.http.population import Population
from tests.e2e.conftest import ROOT
from tests.e2e.pipeline import eventually

PATIENCE_SECONDS: Final = 90.0
#: An API that never answers: a client of it can only be told by its socket.
NOWHERE: Final = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def population() -> Population:
    """Who may call."""
    return Population()


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Where the page is served."""
    with serving_page() as origin:
        yield origin


@pytest.fixture(scope="module")
def kitchen(population: Population, origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    """A stack that wants every call and every connection signed."""
    folder = tmp_path_factory.mktemp("kitchen")
    choices = {"auth": "iam", "callers": population.write(folder), "cors_origin": origin}
    with Kitchen.running(folder, caller=population.mine.role_id, **choices) as kitchen:
        yield kitchen


def _body(dish: str) -> bytes:
    return json.dumps({"restaurant": "Da Enzo", "items": [{"dish": dish, "quantity": 1}]}).encode()


MakeClient = Callable[..., Client]


@pytest.fixture
def make_client(kitchen: Kitchen, population: Population) -> MakeClient:
    """Make a client of a caller; `url` and `websocket_url` are the stack's, others or, for the latter, none."""

    def make(
        session: RoleSession = population.mine,
        url: str = kitchen.stack.info.url,
        websocket_url: str | None = kitchen.stack.info.websocket_url,
        **options: Any,
    ) -> Client:
        return Client(url, websocket_url=websocket_url, authorize=signer(session), **options)

    return make


def _run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, PATIENCE_SECONDS))


async def _watched(kitchen: Kitchen, key: str, times: int = 1) -> None:
    await asyncio.to_thread(eventually, lambda: kitchen.watches(key) == times)


def test_an_order_is_sent_watched_and_its_outcome_told(make_client: MakeClient, kitchen: Kitchen) -> None:
    """Given watched orders, when they are settled, then the client returns the result, or why it failed."""

    async def order() -> None:
        dish, key = new_name(HELD), new_name("key-")
        async with make_client() as client, make_client(url=NOWHERE) as watcher:
            state = await client.submit(TYPE, _body(dish), key=key)
            assert state == State(id=key, status="pending")
            outcome = asyncio.create_task(watcher.outcome(TYPE, key))
            await _watched(kitchen, key)
            kitchen.open_gate(dish)
            assert await outcome == State(id=key, status="done", result={"made": dish})
            gone = await client.submit(TYPE, _body(GONE), key=new_name("key-"))
            failed = await client.outcome(TYPE, gone.id)
            assert (failed.status, failed.error) == ("failed", f"{GONE} is not on the menu")

    _run(order())


def test_an_outcome_from_before_the_watch_is_told(make_client: MakeClient) -> None:
    """Given a settled request, then asking for it, watching it, and sending it again each tells its outcome."""

    async def order() -> None:
        key, body = new_name("key-"), _body("funghi")
        async with make_client() as client:
            await client.submit(TYPE, body, key=key)
            first = await client.outcome(TYPE, key)
        async with make_client(websocket_url=None) as client, make_client(url=NOWHERE) as watcher:
            assert await client.outcome(TYPE, key) == first
            assert await watcher.outcome(TYPE, key) == first
            assert await client.submit(TYPE, body, key=key) == first

    _run(order())


def test_another_caller_s_request_is_unknown(make_client: MakeClient, kitchen: Kitchen, population: Population) -> None:
    """Given a request of one caller, then for another one it doesn't exist, and the first one's outcome is its own."""

    async def order() -> None:
        dish, key = new_name(HELD), new_name("key-")
        async with make_client() as mine, make_client(population.theirs) as theirs:
            await mine.submit(TYPE, _body(dish), key=key)
            assert await theirs.outcome(TYPE, key) == State(id=key, status="unknown")
            kitchen.open_gate(dish)
            assert (await mine.outcome(TYPE, key)).status == "done"

    _run(order())


def test_a_page_signs_its_calls_and_its_connection(kitchen: Kitchen, population: Population, origin: str) -> None:
    """Given a page that signs, and a presigned URL for its WebSocket, then it is told of its caller's requests."""
    dish, key = new_name(HELD), new_name("key-")
    callers, info = {"mine": population.mine, "theirs": population.theirs}, kitchen.stack.info
    with running_chromium() as browser, closing(browser.new_page()) as tab:
        tab.set_default_timeout(PATIENCE_SECONDS * 1000)
        tab.add_init_script(OBSERVER)
        tab.goto(f"{origin}/client.js")
        make_clients(tab, callers, url=info.url, websocket_url=info.websocket_url)
        tab.evaluate("([body, key]) => mine.submit('orders', body, key)", [_body(dish).decode(), key])
        unknown = tab.evaluate("(id) => theirs.outcome('orders', id)", key)
        assert unknown == {"id": key, "type": TYPE, "status": "unknown"}
        # From here on, only frames can tell anything.
        block(tab.context.new_cdp_session(tab), f"{info.url}/*/*")
        tab.evaluate("(id) => void theirs.outcome('orders', id)", key)
        tab.wait_for_function(
            "(id) => frames_.some(([, { id: of, status }]) => of === id && status === 'unknown')", arg=key
        )
        tab.evaluate("(id) => void mine.outcome('orders', id).then((outcome) => { window.told_ = outcome; })", key)
        eventually(lambda: kitchen.watches(key) == 1)
        kitchen.open_gate(dish)
        told = tab.wait_for_function("() => window.told_").json_value()
        assert told == {"id": key, "type": TYPE, "status": "done", "result": {"made": dish}}


def test_a_call_that_hangs_keeps_no_outcome_that_is_pushed(make_client: MakeClient, kitchen: Kitchen) -> None:
    """Given a watched order and an API that takes a call and never answers it, then the outcome is told meanwhile."""

    async def order() -> None:
        dish, key, asked = new_name(HELD), new_name("key-"), asyncio.Event()

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            asked.set()
            await reader.read()  # until the client hangs up
            writer.close()

        async with await asyncio.start_server(hang, LOOPBACK, 0) as server:
            url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
            async with make_client() as client, make_client(url=url, watched_ask_seconds=0.1) as watcher:
                await client.submit(TYPE, _body(dish), key=key)
                outcome = asyncio.create_task(watcher.outcome(TYPE, key))
                await _watched(kitchen, key)
                await asked.wait()
                kitchen.open_gate(dish)
                # Half of what the client gives a call.
                assert (await asyncio.wait_for(outcome, 17)).status == "done"

    _run(order())


def test_more_ids_than_one_message_takes_are_watched(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    """Given more than a hundred ids that nobody has, then all are known to be unknown, and no message was refused."""

    async def ask() -> None:
        async with make_client() as client:
            states = await asyncio.gather(*(client.outcome(TYPE, f"nobody-{number}") for number in range(101)))
            assert {state.status for state in states} == {"unknown"}

    _run(ask())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_cut_connection_comes_back_and_watches_again(make_client: MakeClient, kitchen: Kitchen) -> None:
    """Given a watched order whose connection the server closes, then another one watches it and brings the outcome."""

    async def order() -> None:
        dish, key = new_name(HELD), new_name("key-")
        async with make_client() as client, make_client(url=NOWHERE) as watcher:
            await client.submit(TYPE, _body(dish), key=key)
            outcome = asyncio.create_task(watcher.outcome(TYPE, key))
            await _watched(kitchen, key)
            await asyncio.to_thread(kitchen.cut_connections)
            await _watched(kitchen, key, times=2)
            kitchen.open_gate(dish)
            assert (await outcome).status == "done"

    _run(order())


def test_a_connection_that_is_good_for_nothing_is_replaced(make_client: MakeClient, kitchen: Kitchen) -> None:
    """Given a connection whose watches the server refuses, then the client connects and watches anew."""

    async def order() -> None:
        dish, outcomes = new_name(HELD), []
        async with make_client() as client, make_client(url=NOWHERE) as watcher:
            for key in (new_name("key-"), new_name("key-")):
                await client.submit(TYPE, _body(dish), key=key)
                outcomes.append(asyncio.create_task(watcher.outcome(TYPE, key)))
                await _watched(kitchen, key)
                await asyncio.to_thread(kitchen.forget_connections)
            kitchen.open_gate(dish)
            assert {(await outcome).status for outcome in outcomes} == {"done"}

    _run(order())


def test_an_outcome_whose_push_was_lost_is_asked_for(make_client: MakeClient, kitchen: Kitchen) -> None:
    """Given a watched order whose push is lost, then the client asks all the same, in its time."""

    async def order() -> None:
        dish, key = new_name(HELD), new_name("key-")
        async with make_client(watched_ask_seconds=1) as client:
            await client.submit(TYPE, _body(dish), key=key)
            outcome = asyncio.create_task(client.outcome(TYPE, key))
            await _watched(kitchen, key)
            await asyncio.to_thread(kitchen.lose_watches, key)
            kitchen.open_gate(dish)
            assert (await outcome).status == "done"

    _run(order())


def test_an_outcome_while_the_server_is_down_is_asked_for(make_client: MakeClient, kitchen: Kitchen) -> None:
    """Given no WebSocket server when the outcome is written, then the client asks for it."""

    async def order() -> None:
        dish, key = new_name(HELD), new_name("key-")
        async with make_client(watched_ask_seconds=3600) as client:
            await client.submit(TYPE, _body(dish), key=key)
            outcome = asyncio.create_task(client.outcome(TYPE, key))
            await _watched(kitchen, key)
            await asyncio.to_thread(kitchen.stack.kill, "socket")
            try:
                kitchen.open_gate(dish)
                assert (await outcome).status == "done"
            finally:
                await asyncio.to_thread(kitchen.stack.restart, "socket")

    _run(order())


@pytest.mark.parametrize("websocket_url", [None, "ws://127.0.0.1:1/local"], ids=["none", "nobody-listens"])
def test_without_a_websocket_the_client_asks(make_client: MakeClient, websocket_url: str | None) -> None:
    """Given no server that pushes, then the client learns the outcome all the same."""

    async def order() -> None:
        async with make_client(websocket_url=websocket_url) as client:
            state = await client.submit(TYPE, _body("funghi"), key=new_name("key-"))
            assert (await client.outcome(TYPE, state.id)).status == "done"

    _run(order())


def test_an_order_sent_while_the_api_is_down_is_stored_once(
    make_client: MakeClient, kitchen: Kitchen, caplog: pytest.LogCaptureFixture
) -> None:
    """Given no API when an order is sent, then the client sends it until it is stored."""

    async def order() -> None:
        dish, key = new_name("late-"), new_name("key-")
        await asyncio.to_thread(kitchen.stack.kill, "gateway")
        async with make_client() as client:
            sending = asyncio.create_task(client.submit(TYPE, _body(dish), key=key))
            try:
                await asyncio.to_thread(eventually, lambda: "no answer" in caplog.text)
            finally:
                await asyncio.to_thread(kitchen.stack.restart, "gateway")
            assert (await sending).status == "pending"
        assert kitchen.orders(dish) == [f"{kitchen.caller}#{TYPE}#{key}"]

    caplog.set_level(logging.INFO, logger="dropslot_client")
    _run(order())


def test_what_the_api_refuses_is_not_tried_again(make_client: MakeClient) -> None:
    """Given another body under a used key, or a body against the schema, then the client raises the API's reason."""

    async def order() -> None:
        key = new_name("key-")
        async with make_client() as client:
            await client.submit(TYPE, _body("funghi"), key=key)
            with pytest.raises(RefusedError, match="another body") as reused:
                await client.submit(TYPE, _body("margherita"), key=key)
            with pytest.raises(RefusedError) as invalid:
                await client.submit(TYPE, b"{}", key=new_name("key-"))
        assert (reused.value.status, reused.value.error) == (422, "key_reused")
        assert (invalid.value.status, invalid.value.error) == (400, "invalid_body")

    _run(order())


@pytest.mark.parametrize(("dish", "code"), [("funghi", 0), (GONE, 1)])
def test_the_command_prints_the_outcome(
    kitchen: Kitchen, population: Population, tmp_path: Path, dish: str, code: int
) -> None:
    """Given a file and a key, then the command prints the outcome as JSON, and its exit code tells what it is."""
    order, key, info = tmp_path / "order.json", new_name("key-"), kitchen.stack.info
    order.write_bytes(_body(dish))
    addresses = ["--url", info.url, "--websocket-url", str(info.websocket_url)]
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": population.mine.access_key,
        "AWS_SECRET_ACCESS_KEY": population.mine.secret_key,
        "AWS_DEFAULT_REGION": REGION,
    }
    done = subprocess.run(
        [sys.executable, ROOT / "examples/client/submit.py", *addresses, "--key", key, "--sign", TYPE, f"@{order}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, f"key: {key}\n")
    state = json.loads(done.stdout)
    assert (state["id"], state["status"]) == (key, ["done", "failed"][code])

"""The function behind the WebSocket API: its routes."""

from collections.abc import Coroutine
from typing import Any

import pytest

from dropslot.adapters.push.memory import MemoryPusher
from dropslot.adapters.requests.memory import MemoryRequests
from dropslot.adapters.requests.memory_standings import MemoryStandings
from dropslot.adapters.watches.memory import MemoryWatches
from dropslot.core.errors import TransientError
from dropslot.engine.feedback_ports import Refusal
from dropslot.runtimes.lambda_.caller import Auth
from dropslot.runtimes.lambda_.event import UnexpectedEventError
from dropslot.runtimes.lambda_.web_socket import WebSocket
from tests.unit.core.images import image
from tests.unit.engine.doubles import asynchronous
from tests.unit.runtimes.lambda_.feedback import CONNECTION, connect_event, socket_event, watch_event


class Stand:
    """The function over twins of what it works with."""

    def __init__(self, auth: Auth = "iam", cors_origin: str = "") -> None:
        self.watches = MemoryWatches()
        self.requests = MemoryRequests()
        self.pusher = MemoryPusher()
        self.function = WebSocket(
            auth=auth,
            cors_origin=cors_origin,
            watches=self.watches,
            standings=MemoryStandings(self.requests),
            pusher=self.pusher,
        )


@asynchronous
async def test_a_connection_comes_watches_and_goes() -> None:
    """Given a role that connects, then it watches its own requests under any session, until it disconnects."""
    stand = Stand()
    stand.requests.put(image("AROA#orders#a"))
    assert await stand.function.serve(socket_event("$connect", caller="AROA:i-0123")) == {"statusCode": 200}
    assert await stand.function.serve(watch_event("a")) == {"statusCode": 200}
    assert stand.pusher.sent == [(CONNECTION, b'{"id":"a","type":"orders","status":"pending"}')]
    assert stand.watches.watches.keys() == {("AROA#orders#a", CONNECTION)}
    assert await stand.function.serve(socket_event("$disconnect")) == {"statusCode": 200}
    assert stand.watches.connected == {}


@pytest.mark.parametrize("auth", ["iam", "api_key"])
@asynchronous
async def test_nobody_is_not_let_in(auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    """Given an API that was deployed without the check, then no connection is made, and the log says why."""
    stand = Stand(auth)
    assert await stand.function.serve(socket_event("$connect")) == {"statusCode": 403}
    assert stand.watches.connected == {}
    assert [record.message for record in caplog.records] == ["caller_unknown"]


@pytest.mark.parametrize("auth", ["iam", "none"])
@pytest.mark.parametrize(
    ("origin", "cors_origin"),
    [
        ("https://evil.example", ""),
        ("https://evil.example", "https://shop.example"),
        ("https://shop.example.evil.example", "https://shop.example"),
        ("http://shop.example", "https://shop.example"),
        ("https://shop.example:8443", "https://shop.example"),
        ("null", "https://shop.example"),
    ],
)
@pytest.mark.parametrize("header", ["Origin", "origin"])
@asynchronous
async def test_a_page_of_another_origin_is_not_let_in(
    auth: Auth, origin: str, cors_origin: str, header: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a page that may not call the API, then it can't connect either, though nobody need prove who it is."""
    stand = Stand(auth, cors_origin)
    event = connect_event(origin, header=header, caller="AROA:i-0123")
    assert await stand.function.serve(event) == {"statusCode": 403}
    assert stand.watches.connected == {}
    assert [record.message for record in caplog.records] == ["origin_refused"]


@pytest.mark.parametrize(
    ("origin", "cors_origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://anywhere.example", "*"),
        (None, ""),
        (None, "https://shop.example"),
    ],
)
@asynchronous
async def test_a_page_that_may_call_and_what_is_no_page_may_connect(origin: str | None, cors_origin: str) -> None:
    """Given the right origin, any where all are right, or none, since only browsers send one, then it connects."""
    stand = Stand("none", cors_origin)
    assert await stand.function.serve(connect_event(origin)) == {"statusCode": 200}
    assert stand.watches.connected.keys() == {CONNECTION}


@asynchronous
async def test_what_a_message_says_of_its_sender_does_not_count() -> None:
    """Given a message under another identity than its connection's, then the connection's holds."""
    stand = Stand()
    stand.requests.put(image("AROA#orders#a", status="done-a", ttl=5))
    await stand.function.serve(socket_event("$connect", caller="AIDA"))
    event = watch_event("a")
    event["requestContext"]["identity"]["caller"] = "AROA:i-0123"
    await stand.function.serve(event)
    assert stand.pusher.sent == [(CONNECTION, b'{"id":"a","type":"orders","status":"unknown"}')]


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (socket_event("$default", '{"action":"dance"}'), b"unknown_action"),
        (socket_event("$default", "hello"), b"bad_message"),
        (socket_event("$default"), b"bad_message"),
        (socket_event("watch"), b"bad_message"),
        (socket_event("watch", '{"action":"watch"}'), b"bad_watch"),
        ({**watch_event("a"), "isBase64Encoded": True}, b"binary"),
    ],
)
@asynchronous
async def test_a_message_it_cannot_take_is_told_so(event: dict[str, Any], error: bytes) -> None:
    """Given another action, nonsense, nothing or bytes, then the client learns what is wrong."""
    stand = Stand("none")
    await stand.function.serve(socket_event("$connect"))
    assert await stand.function.serve(event) == {"statusCode": 200}
    ((connection, frame),) = stand.pusher.sent
    assert connection == CONNECTION
    assert error in frame
    assert stand.watches.watches == {}


@pytest.mark.parametrize("route", ["$connect", "$disconnect"])
@asynchronous
async def test_a_message_cannot_pass_for_coming_or_going(route: str) -> None:
    """Given a message whose action is the name of another route, then who is connected stays as it is."""
    stand = Stand("none")
    await stand.function.serve(socket_event("$connect"))
    assert await stand.watches.claim(CONNECTION, 10_000, limit=10_000) == "-"
    event = socket_event(route, f'{{"action":"{route}"}}')
    event["requestContext"]["eventType"] = "MESSAGE"
    await stand.function.serve(event)
    assert b"unknown_action" in stand.pusher.sent[0][1]
    assert await stand.watches.claim(CONNECTION, 1, limit=10_000) is Refusal.TOO_MANY


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": []},
        {"requestContext": {"routeKey": "watch", "eventType": "MESSAGE"}},
        {"requestContext": {"routeKey": "watch", "eventType": "MESSAGE", "connectionId": 5}},
        {"requestContext": {"routeKey": "watch", "eventType": "DANCE", "connectionId": "one"}},
        {"requestContext": {"http": {"method": "GET"}}},
    ],
)
@asynchronous
async def test_an_event_of_something_else_is_an_error(event: dict[str, Any]) -> None:
    """Given an event that no WebSocket API makes, then the function fails and says so."""
    with pytest.raises(UnexpectedEventError, match="WebSocket API"):
        await Stand().function.serve(event)


@asynchronous
async def test_who_connects_while_the_table_is_away_is_not_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a table out of reach, then the function raises, and API Gateway refuses the handshake."""
    stand = Stand()

    def failing(*_: str) -> Coroutine[None, None, None]:
        raise TransientError("out of reach")

    monkeypatch.setattr(stand.watches, "connect", failing)
    with pytest.raises(TransientError):
        await stand.function.serve(socket_event("$connect", caller="AIDA"))


@asynchronous
async def test_the_log_holds_counts_and_nothing_of_a_message(caplog: pytest.LogCaptureFixture) -> None:
    """Given a message with an outcome, then neither ids nor results nor the caller are in the log."""
    stand = Stand()
    caplog.set_level("DEBUG")
    stand.requests.put(image("AIDAX#orders#key-1", status="done-a", ttl=5, result='"hush"'))
    await stand.function.serve(socket_event("$connect", caller="AIDAX"))
    await stand.function.serve(watch_event("key-1"))
    (line,) = [record for record in caplog.records if record.message == "counted"]
    assert (vars(line)["watched"], vars(line)["pushed"]) == (1, 1)
    told = " ".join(str(vars(record)) for record in caplog.records)
    assert not [word for word in ("key-1", "hush", "AIDAX") if word in told]

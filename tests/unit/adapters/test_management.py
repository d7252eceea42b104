"""Pushes by the management API, against a real server that misbehaves as told."""

import asyncio
import calendar
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from dropslot.adapters.push.management import ManagementPusher
from dropslot.adapters.wire.connections import Connections
from dropslot.adapters.wire.signature import Credentials
from dropslot.engine.feedback_ports import Delivery
from tests.unit.adapters.server import Server, saying
from tests.unit.engine.doubles import asynchronous

CONNECTION = "L0SM9cOFvHcCIhw="


def pusher(
    connections: Connections,
    *,
    stage_path: str = "/v1",
    push_seconds: float = 2.0,
    now_epoch_seconds: float = 1_760_000_000.0,
) -> ManagementPusher:
    """Return the port over a server."""
    return ManagementPusher(
        connections,
        stage_path=stage_path,
        region="eu-central-1",
        credentials=Credentials(access_key="local", secret_key="local", token="session"),
        push_seconds=push_seconds,
        now_epoch_seconds=lambda: now_epoch_seconds,
    )


def signed_by_botocore(url: str, body: bytes) -> tuple[str, float]:
    """Return the authorization that botocore gives a call now, and when that is, in epoch seconds."""
    headers = {"content-type": "application/json", "host": url.split("/")[2]}
    call = AWSRequest(method="POST", url=url, data=body, headers=headers)
    SigV4Auth(BotocoreCredentials("local", "local", "session"), "execute-api", "eu-central-1").add_auth(call)
    moment = calendar.timegm(time.strptime(call.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
    return str(call.headers["Authorization"]), moment


@pytest.mark.parametrize(
    ("status", "delivery"),
    [
        (200, Delivery.SENT),
        (410, Delivery.GONE),
        (400, Delivery.FAILED),
        (403, Delivery.FAILED),
        (413, Delivery.FAILED),
        (429, Delivery.FAILED),
        (500, Delivery.FAILED),
        (504, Delivery.FAILED),
    ],
)
@asynchronous
async def test_the_status_is_what_became_of_it(status: int, delivery: Delivery) -> None:
    """Given an answer of the API, then only 410 means that the connection is gone for good."""
    async with Server(saying(status, {"message": "x"})).running() as connections:
        assert await pusher(connections).push(CONNECTION, b"{}") is delivery


@pytest.mark.parametrize("stage_path", ["/v1", ""])
@asynchronous
async def test_it_posts_the_frame_to_the_connection_signed(stage_path: str) -> None:
    """Given a connection id with characters that a path can't have, then they are encoded; the frame is the body."""
    server = Server(saying(200, {}))
    path = f"{stage_path}/@connections/L0SM9cOFvHcCIhw%3D"
    async with server.running() as connections:
        authorization, moment = signed_by_botocore(f"http://{connections.host}{path}", b'{"id":"a"}')
        push = pusher(connections, stage_path=stage_path, now_epoch_seconds=moment)
        await push.push(CONNECTION, b'{"id":"a"}')
    head, _, body = server.calls[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == f"POST {path} HTTP/1.1".encode()
    headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:])
    assert headers["authorization"] == authorization
    assert headers["x-amz-security-token"] == "session"
    assert body == b'{"id":"a"}'


@asynchronous
async def test_a_silent_api_costs_no_more_than_the_limit() -> None:
    """Given an API that doesn't answer, then the push was slow by its limit, and the next one isn't disturbed."""

    async def silence(_: asyncio.StreamWriter) -> None:
        """Say nothing."""

    async with Server(silence, saying(200, {})).running() as connections:
        push = pusher(connections, push_seconds=0.05)
        assert await push.push(CONNECTION, b"{}") is Delivery.SLOW
        assert await pusher(connections).push(CONNECTION, b"{}") is Delivery.SENT


@asynchronous
async def test_no_api_at_all_is_a_failure_too() -> None:
    """Given a server that has stopped, then nothing is raised."""
    async with Server(saying(200, {})).running() as connections:
        pass
    assert await pusher(connections).push(CONNECTION, b"{}") is Delivery.FAILED

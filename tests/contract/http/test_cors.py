"""A page of the configured origin can call the API from a browser, and read every answer."""

from collections.abc import Iterator
from typing import Final

import httpx
import pytest

from dropslot.local.clients import dynamodb_client
from tests.contract.http.conftest import CONFIG
from tests.contract.http.population import Population
from tests.contract.http.stack import create_tables, running_gateway

ORIGIN: Final = "http://127.0.0.1:8000"
_TEXT: Final = {"Content-Type": "text/plain"}


@pytest.fixture(scope="module", params=["none", "api_key"])
def http(
    request: pytest.FixtureRequest,
    dynamodb_endpoint: str,
    population: Population,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    """The gateway for pages of one origin, open to all or not; calls it as a page's script would."""
    folder = tmp_path_factory.mktemp("cors")
    table = f"cors-{request.param.replace('_', '-')}"
    client = dynamodb_client(dynamodb_endpoint)
    create_tables(client, table)
    client.close()
    options = ("--config", str(CONFIG), "--table", table, "--cors-origin", ORIGIN, "--auth", request.param)
    with (
        running_gateway(folder, dynamodb_endpoint, *options, "--callers", str(population.write(folder))) as url,
        httpx.Client(base_url=url, timeout=35, trust_env=False, headers={"Origin": ORIGIN}) as http,
    ):
        if request.param == "api_key":
            http.headers["x-api-key"] = population.my_key.value
        yield http


@pytest.mark.parametrize(("path", "methods"), [("/notes", "POST,PUT"), ("/notes/k", "GET"), ("/notes/k/steps", "GET")])
def test_a_preflight_allows_the_page(http: httpx.Client, path: str, methods: str) -> None:
    """Given a browser's question, which proves nothing, then the answer allows the origin what the path can do."""
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,idempotency-key"}
    request = http.build_request("OPTIONS", path, headers=asked)
    request.headers.pop("x-api-key", None)
    answer = http.send(request)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-methods"] == methods
    assert answer.headers["access-control-allow-headers"].startswith("*")


def test_the_page_may_read_every_answer(http: httpx.Client) -> None:
    """Given an accepted, an unknown and a refused request, then each answer names the origin and shows its headers."""
    answers = [
        http.put("/notes", content="b", headers={**_TEXT, "Idempotency-Key": "k"}),
        http.get("/notes/k"),
        http.get("/notes/unknown"),
        http.get("/notes/k/steps"),
        http.put("/notes", content="b", headers={**_TEXT, "Idempotency-Key": "#"}),
        http.put("/notes", content="b", headers={"Content-Type": "image/png"}),
        http.get("/nowhere"),
        http.get("/notes/k", headers={"x-api-key": "wrong"}),
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:-1] == [202, 200, 404, 404, 400, 415, 404]
    assert statuses[-1] == (403 if "x-api-key" in http.headers else 200)
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "Retry-After" in answer.headers["access-control-expose-headers"].split(",")

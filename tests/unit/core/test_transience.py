"""The table of errors that pass by themselves, row by row, with the real classes where they are installed."""

import asyncio
import concurrent.futures
import http.client
import importlib
import socket
import ssl
import urllib.error
from email.message import Message
from typing import Any

import botocore.exceptions
import httpx
import pytest
import urllib3.exceptions

from dropslot.core.transience import TRANSIENT_AWS_CODES, TRANSIENT_CLASSES, TRANSIENT_HTTP_STATUSES, is_transient

REQUEST = httpx.Request("GET", "http://127.0.0.1/")


def aws(code: Any) -> botocore.exceptions.ClientError:
    """Return the SDK's error of a code."""
    return botocore.exceptions.ClientError({"Error": {"Code": code, "Message": ""}}, "PutItem")


def httpx_status(status: int) -> httpx.HTTPStatusError:
    """Return httpx's error of a status."""
    return httpx.HTTPStatusError("", request=REQUEST, response=httpx.Response(status, request=REQUEST))


def urllib_status(status: int) -> urllib.error.HTTPError:
    """Return urllib's error of a status."""
    error = urllib.error.HTTPError("http://127.0.0.1/", status, "", Message(), None)
    error.close()
    return error


TRANSIENT: list[BaseException] = [
    TimeoutError(),
    TimeoutError(),
    concurrent.futures.TimeoutError(),
    socket.timeout(),  # noqa: UP041 - the point: it is the same one
    ConnectionError(),
    ConnectionResetError(),
    ConnectionRefusedError(),
    ConnectionAbortedError(),
    BrokenPipeError(),
    http.client.RemoteDisconnected(""),
    http.client.IncompleteRead(b""),
    socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    urllib.error.URLError(ConnectionRefusedError()),
    urllib.error.URLError(TimeoutError()),
    urllib.error.URLError(socket.gaierror(socket.EAI_AGAIN, "")),
    httpx.ConnectError(""),
    httpx.ConnectTimeout(""),
    httpx.ReadTimeout(""),
    httpx.WriteTimeout(""),
    httpx.PoolTimeout(""),
    httpx.ReadError(""),
    httpx.WriteError(""),
    httpx.CloseError(""),
    httpx.RemoteProtocolError(""),
    httpx.ProxyError(""),
    botocore.exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1"),
    botocore.exceptions.ConnectTimeoutError(endpoint_url="http://127.0.0.1"),
    botocore.exceptions.ReadTimeoutError(endpoint_url="http://127.0.0.1"),
    botocore.exceptions.ConnectionClosedError(endpoint_url="http://127.0.0.1"),
    botocore.exceptions.HTTPClientError(error="x"),
    urllib3.exceptions.ProtocolError(),
    urllib3.exceptions.ReadTimeoutError(None, "/", ""),  # type: ignore[arg-type]
    urllib3.exceptions.ConnectTimeoutError(),
    urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.ProtocolError()),  # type: ignore[arg-type]
    urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.ConnectTimeoutError()),  # type: ignore[arg-type]
    urllib3.exceptions.NewConnectionError(None, ""),  # type: ignore[arg-type]
]

LASTING: list[BaseException] = [
    Exception(),
    ValueError("timeout"),
    KeyError("ConnectionError"),
    OSError(28, "No space left on device"),
    FileNotFoundError(),
    PermissionError(),
    ssl.SSLCertVerificationError(),
    socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    urllib.error.URLError("unknown url type"),
    urllib.error.URLError(socket.gaierror(socket.EAI_NONAME, "")),
    httpx.InvalidURL(""),
    httpx.TooManyRedirects(""),
    httpx.DecodingError(""),
    botocore.exceptions.NoCredentialsError(),
    botocore.exceptions.ParamValidationError(report=""),
    urllib3.exceptions.LocationParseError(""),
    urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.ResponseError()),  # type: ignore[arg-type]
    UnicodeDecodeError("utf-8", b"", 0, 1, "its `reason` is no error"),
    SystemExit(1),
    KeyboardInterrupt(),
    MemoryError(),
    asyncio.CancelledError(),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_timeouts_and_lost_connections_pass(error: BaseException) -> None:
    """A later try may find the other side again."""
    assert is_transient(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_other_errors_do_not_pass(error: BaseException) -> None:
    """Trying again would only take longer to fail."""
    assert not is_transient(error)


@pytest.mark.parametrize("code", sorted(TRANSIENT_AWS_CODES))
def test_each_aws_code_of_the_table_passes(code: str) -> None:
    """Throttling and faults of the service."""
    assert is_transient(aws(code))


@pytest.mark.parametrize(
    "code",
    [
        "ValidationException",
        "AccessDenied",
        "AccessDeniedException",
        "ConditionalCheckFailedException",
        "NoSuchKey",
        "404",
    ],
)
def test_other_aws_codes_do_not_pass(code: str) -> None:
    """What the service will refuse again."""
    assert not is_transient(aws(code))


@pytest.mark.parametrize("status", sorted(TRANSIENT_HTTP_STATUSES))
def test_each_http_status_of_the_table_passes(status: int) -> None:
    """Whichever client reports it."""
    assert is_transient(httpx_status(status))
    assert is_transient(urllib_status(status))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 422, 501, 505])
def test_other_http_statuses_do_not_pass(status: int) -> None:
    """The other side has answered."""
    assert not is_transient(httpx_status(status))
    assert not is_transient(urllib_status(status))


@pytest.mark.parametrize("name", sorted(TRANSIENT_CLASSES))
def test_each_class_of_the_table_passes_by_name_and_by_inheritance(name: str) -> None:
    """The real class if its library is installed, else one of that name: what counts is the name among the bases."""
    module_name, _, class_name = name.rpartition(".")
    try:
        base = getattr(importlib.import_module(module_name), class_name)
    except ModuleNotFoundError:
        base = type(class_name, (Exception,), {"__module__": module_name})
    assert f"{base.__module__}.{base.__qualname__}" == name
    for kind in (base, type("TheirOwnError", (base,), {"__init__": lambda _: None})):
        assert is_transient(BaseException.__new__(kind))


@pytest.mark.parametrize("error", [pytest.param(aws("SlowDown"), id="aws"), pytest.param(httpx_status(503), id="http")])
def test_an_error_of_the_users_own_hides_nothing_it_is_not(error: Exception) -> None:
    """Given an error raised from a transient one, then the raised one counts, not its cause."""
    wrapped = ValueError("mine")
    wrapped.__cause__ = error
    assert not is_transient(wrapped)


class HostileError(Exception):
    """An error whose attributes raise."""

    @property
    def reason(self) -> Any:
        """Raise."""
        raise RuntimeError("not available")

    @property
    def response(self) -> Any:
        """Raise."""
        raise RuntimeError("not available")


class HostileResponseError(Exception):
    """An error whose response alone raises."""

    @property
    def response(self) -> Any:
        """Raise."""
        raise RuntimeError("not available")


def with_attributes(**attributes: Any) -> Exception:
    """Return an error with attributes of any kind."""
    error = OSError()
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


class Response:
    """A response with a status that can't be hashed."""

    status_code: object = []


def reasons_in_a_circle() -> Exception:
    """Return an error that is the reason of its reason."""
    one, two = with_attributes(), with_attributes()
    one.reason, two.reason = two, one  # type: ignore[attr-defined]
    return one


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(HostileError(), id="attributes that raise"),
        pytest.param(HostileResponseError(), id="a response that raises"),
        pytest.param(with_attributes(response={"Error": {"Code": []}}), id="a code that can't be hashed"),
        pytest.param(with_attributes(response={"Error": "Throttling"}), id="details that are text"),
        pytest.param(with_attributes(response={}), id="no details"),
        pytest.param(with_attributes(response=Response()), id="a status that can't be hashed"),
        pytest.param(with_attributes(code={}), id="a code of urllib that can't be hashed"),
        pytest.param(reasons_in_a_circle(), id="a circle of reasons"),
    ],
)
def test_an_error_of_any_shape_is_judged_without_raising(error: Exception) -> None:
    """Users' errors may do anything when they are looked at: the shard must not fall over them."""
    assert not is_transient(error)

"""Which errors pass by themselves: the one table that decides between waiting and failed."""

from typing import Final

#: Error codes of AWS services, and of BatchExecuteStatement's statements, that a later call may not meet.
TRANSIENT_AWS_CODES: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "InternalFailure",
        "InternalServerError",
        "InternalServerErrorException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)

#: HTTP statuses that ask for a later try.
TRANSIENT_HTTP_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})

#: Errors of well-known clients that are neither TimeoutError nor ConnectionError, by the name of any of their classes.
TRANSIENT_CLASSES: Final = frozenset(
    {
        "aiohttp.client_exceptions.ClientConnectionError",
        "aiohttp.client_exceptions.ClientPayloadError",
        "botocore.exceptions.ConnectionError",
        "botocore.exceptions.HTTPClientError",
        "http.client.IncompleteRead",
        "httpx.TransportError",
        "psycopg.OperationalError",
        "psycopg2.OperationalError",
        "redis.exceptions.ConnectionError",
        "redis.exceptions.TimeoutError",
        "requests.exceptions.ChunkedEncodingError",
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
        "urllib3.exceptions.ProtocolError",
        "urllib3.exceptions.TimeoutError",
    }
)


def is_transient(error: BaseException) -> bool:
    """Tell whether an error may pass by itself.

    | error | transient |
    | --- | --- |
    | `TimeoutError`, `ConnectionError` and their kinds | yes |
    | a class of `TRANSIENT_CLASSES`, wherever it stands among the error's bases | yes |
    | an AWS client's error (`error.response["Error"]["Code"]`) | when its code is in `TRANSIENT_AWS_CODES` |
    | an HTTP client's error (`error.response.status_code`, urllib's `error.code`) | when in `TRANSIENT_HTTP_STATUSES` |
    | urllib's `URLError`, by its `reason` | as the reason |
    | a name that can't be resolved for now (`socket.gaierror` EAI_AGAIN) | yes |
    | everything else | no |
    """
    for _ in range(_MAX_REASONS):
        if isinstance(error, (TimeoutError, ConnectionError)):
            return True
        for base in type(error).__mro__:
            name = f"{base.__module__}.{base.__qualname__}"
            if name in TRANSIENT_CLASSES:
                return True
            if name == "socket.gaierror":
                return error.args[:1] == (_EAI_AGAIN,)
        reason = _attribute(error, "reason")
        if not isinstance(reason, BaseException):
            return _asks_for_later(error)
        error = reason
    return False


def _asks_for_later(error: BaseException) -> bool:
    response = _attribute(error, "response")
    if isinstance(response, dict):
        details = response.get("Error")
        code = details.get("Code") if isinstance(details, dict) else None
        return isinstance(code, str) and code in TRANSIENT_AWS_CODES
    status = _attribute(response, "status_code")
    if status is None and isinstance(error, OSError):  # urllib.error.HTTPError
        status = _attribute(error, "code")
    return isinstance(status, int) and status in TRANSIENT_HTTP_STATUSES


def _attribute(thing: object, name: str) -> object:
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - a property of a user's error may do anything; it must still be classified
        return None


#: How many reasons of reasons are looked at; errors may form a ring.
_MAX_REASONS: Final = 8

#: `socket.EAI_AGAIN` without importing what does I/O.
_EAI_AGAIN: Final = -3

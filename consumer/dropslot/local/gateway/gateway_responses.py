"""What API Gateway answers by itself, when no integration does."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

_VARIABLE: Final = re.compile(r"\$(context(?:\.\w+)+)")
_HEADER: Final = re.compile(r"gatewayresponse\.header\.([\w-]+)")
_DETAIL_MAX_CHARS: Final = 500
_DEFAULT_TEMPLATE: Final = '{"message":$context.error.messageString}'


class GatewayError(Enum):
    """The kinds of answer, each with the status and the message it has unless the document says otherwise.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
    """

    API_CONFIGURATION_ERROR = (500, "Internal server error")
    BAD_REQUEST_BODY = (400, "Invalid request body")
    INTEGRATION_FAILURE = (504, "Network error communicating with endpoint")
    INTEGRATION_TIMEOUT = (504, "Endpoint request timed out")
    INVALID_API_KEY = (403, "Forbidden")
    INVALID_SIGNATURE = (403, "The request signature is invalid.")
    MISSING_AUTHENTICATION_TOKEN = (403, "Missing Authentication Token")
    REQUEST_TOO_LARGE = (413, "Request Too Long")
    UNSUPPORTED_MEDIA_TYPE = (415, "Unsupported Media Type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A finished HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: str


class GatewayResponses:
    """The document's `x-amazon-apigateway-gateway-responses`.

    Args:
        responses: by kind; `DEFAULT_4XX` and `DEFAULT_5XX` hold for kinds that are not named.
    """

    def __init__(self, responses: Mapping[str, Mapping[str, Any]]) -> None:
        self._responses = responses

    def answer(
        self, error: GatewayError, context: Mapping[str, Any], *, message: str | None = None, detail: str = ""
    ) -> Answer:
        """Write the answer for a kind.

        Args:
            error: the kind.
            context: `$context` of the request.
            message: instead of the kind's own.
            detail: what a validator found, for `$context.error.validationErrorString`.
        """
        status, text = error.value
        if message is not None:
            text = message
        fallback = self._responses.get("DEFAULT_4XX" if status < 500 else "DEFAULT_5XX", {})
        response = self._responses.get(error.name, fallback)
        template = response.get("responseTemplates", {}).get("application/json", _DEFAULT_TEMPLATE)
        seen = {
            **context,
            "error": {
                "message": text,
                "messageString": json.dumps(text),
                "responseType": error.name,
                # A validator quotes what it didn't like, which can be the whole body.
                "validationErrorString": json.dumps(detail[:_DETAIL_MAX_CHARS])[1:-1],
            },
        }
        headers = {"Content-Type": "application/json"}
        for name, value in response.get("responseParameters", {}).items():
            header = _HEADER.fullmatch(name)
            if header is not None:
                headers[header[1]] = value.strip("'")
        return Answer(
            status=int(response.get("statusCode", status)),
            headers=headers,
            # These templates know variables and no directives.
            body=_VARIABLE.sub(lambda match: _lookup({"context": seen}, match[1]), template),
        )


def _lookup(variables: Mapping[str, Any], path: str) -> str:
    value: Any = variables
    for name in path.split("."):
        value = value.get(name, "") if isinstance(value, Mapping) else ""
    return str(value)

"""What an operation asks of its caller."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final


class Proof(Enum):
    """How a caller proves who it is; the value is the word for it in a fault.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authtype.html
    """

    SIGNATURE = "awsSigv4"
    API_KEY = "x-api-key"


_AUTH_TYPE: Final = "x-amazon-apigateway-authtype"
_KEY_SOURCE: Final = "x-amazon-apigateway-api-key-source"


def read_security(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Proof | None:
    """Return what an operation asks for, or None when anybody may call it.

    Raises:
        ValueError: it asks for something that can't be checked here. Serving it unchecked would hide that.
    """
    requirements = operation.get("security")
    if requirements is None and document.get("security"):
        raise ValueError("a document's own security can't be served: give each operation its security")
    if not requirements:
        return None
    names = [name for requirement in requirements for name in requirement]
    if len(names) != 1 or len(requirements) != 1:
        raise ValueError("security must be one scheme to be served")
    scheme = document["components"]["securitySchemes"][names[0]]
    kind = (scheme["type"], scheme.get("in"), scheme.get("name", "").lower(), scheme.get(_AUTH_TYPE))
    if kind == ("apiKey", "header", "authorization", Proof.SIGNATURE.value):
        return Proof.SIGNATURE
    if kind == ("apiKey", "header", Proof.API_KEY.value, None) and document.get(_KEY_SOURCE, "HEADER") == "HEADER":
        return Proof.API_KEY
    raise ValueError(
        f"callers can't be checked here by security scheme {names[0]} ({scheme.get(_AUTH_TYPE, scheme['type'])}): only "
        f"signatures ({Proof.SIGNATURE.value}) and API keys in the header {Proof.API_KEY.value} can; Cognito and "
        "authorizers need AWS"
    )

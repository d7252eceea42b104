"""Who is on a connection: the same prefix as the HTTP API's templates give its ids."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropslot.api.settings import TypeSettings
from dropslot.runtimes.lambda_.caller import Auth, Identity, caller_of
from tests.unit.api.conftest import Api

IDENTITIES: list[tuple[Auth, dict[str, Any]]] = [
    ("api_key", {"apiKeyId": "abc123"}),
    ("iam", {"caller": "AROAEXAMPLE:session"}),
    ("iam", {"caller": "AIDAEXAMPLE"}),
    ("iam", {"caller": "AROA:CognitoIdentityCredentials", "cognitoIdentityId": "eu-central-1:1-2"}),
    ("none", {}),
]


@pytest.fixture(scope="module")
def api() -> Api:
    """The HTTP API's templates."""
    return Api(TypeSettings())


@pytest.mark.parametrize(("auth", "identity"), IDENTITIES)
def test_it_is_who_sends_requests(api: Api, auth: Auth, identity: dict[str, Any]) -> None:
    """Given what API Gateway says of a caller, then both APIs mean the same one."""
    # A WebSocket API has a null where there is nothing.
    told = msgspec.convert({"apiKeyId": None, "cognitoIdentityId": None, "caller": None, **identity}, Identity)
    assert caller_of(told, auth) == api.status("k", identity=identity).caller


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=20).filter(lambda name: name.isprintable()))
def test_any_name_becomes_a_prefix_without_a_separator(api: Api, name: str) -> None:
    """Given any name, then it is escaped as the template escapes it, and can't reach into another caller's ids."""
    caller = caller_of(Identity(api_key_id=name), "api_key")
    assert caller is not None
    assert "#" not in caller
    assert not caller.startswith("@")
    assert caller == api.status("k", identity={"apiKeyId": name}).caller


@pytest.mark.parametrize(
    ("auth", "identity"),
    [
        ("iam", Identity()),
        ("iam", Identity(caller="")),
        ("iam", Identity(caller=":session")),
        ("iam", Identity(api_key_id="abc123")),
        ("api_key", Identity()),
        ("api_key", Identity(caller="AROAEXAMPLE:session")),
    ],
)
def test_nobody_is_taken_for_somebody(auth: Auth, identity: Identity) -> None:
    """Given an identity without what this API asks for, then it is nobody's, and never the caller of an open API."""
    assert caller_of(identity, auth) is None

"""Whom the local gateway knows, and what a document may ask of them."""

import copy
from pathlib import Path
from typing import Any

import pytest

from dropslot.api.loader import load
from dropslot.api.settings import ApiSettings
from dropslot.core.errors import ConfigurationError
from dropslot.local.gateway.authentication import Authentication, RefusedError
from dropslot.local.gateway.callers import ApiKey, Callers, RoleSession
from dropslot.local.gateway.document import Document
from dropslot.local.gateway.gateway_responses import GatewayError, GatewayResponses
from dropslot.local.gateway.incoming import Incoming
from dropslot.local.gateway.security import Proof

SESSION = """
[[role_sessions]]
access_key = "ASIASHOP"
secret_key = "s3cret"
role = "shop"
role_id = "AROASHOP"
name = "i-0123"
"""
KEY = """
[[api_keys]]
id = "a1b2c3"
value = "s3cret"
"""
SIGV4 = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
X_API_KEY = {"type": "apiKey", "name": "x-api-key", "in": "header"}
COGNITO = {**SIGV4, "x-amazon-apigateway-authtype": "cognito_user_pools"}


def _file(folder: Path, text: str) -> Path:
    path = folder / "callers.toml"
    path.write_text(text)
    return path


def test_callers_are_read_and_shown_without_secrets(tmp_path: Path) -> None:
    """Given a file of callers, each is there, and none shows its secret when it is printed."""
    callers = Callers.load(_file(tmp_path, SESSION + KEY))
    session = RoleSession(access_key="ASIASHOP", secret_key="s3cret", role="shop", role_id="AROASHOP", name="i-0123")
    assert callers == Callers(role_sessions=(session,), api_keys=(ApiKey(id="a1b2c3", value="s3cret"),))
    assert "s3cret" not in repr(callers)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[api_keys]]\nid = 'a'", "missing required field `value` - at `$.api_keys[0]`"),
        ("[[api_keys]]\nid = ''\nvalue = 's3cret'", "length >= 1 - at `$.api_keys[0].id`"),
        ("[[users]]\nid = 'a'", "unknown field `users`"),
        ("[[api_keys]\n", "not valid TOML"),
        (KEY + KEY.replace("s3cret", "other"), "the same API key id"),
        (KEY + KEY.replace("a1b2c3", "other"), "the same API key value"),
        (SESSION + SESSION, "the same access_key"),
    ],
)
def test_a_wrong_file_is_said_without_its_secrets(tmp_path: Path, text: str, fault: str) -> None:
    """Given a file with a fault, the error names the place and quotes no secret."""
    with pytest.raises(ConfigurationError) as wrong:
        Callers.load(_file(tmp_path, text))
    assert fault in str(wrong.value)
    assert "s3cret" not in str(wrong.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """Given no such file, the gateway doesn't start without callers."""
    with pytest.raises(ConfigurationError, match="can't be read"):
        Callers.load(tmp_path / "callers.toml")


@pytest.mark.parametrize("value", ["wrong", "", "s3cre", "ä", None])
def test_a_wrong_key_is_answered_as_aws_does(value: str | None) -> None:
    """Given a key that nobody has, or none, the answer is 403 Forbidden."""
    headers = {} if value is None else {"x-api-key": value}
    incoming = Incoming(method="PUT", path="/orders", query={}, headers=headers, body=b"", source_ip="127.0.0.1")
    authentication = Authentication(Callers(api_keys=(ApiKey(id="a1b2c3", value="s3cret"),)))
    with pytest.raises(RefusedError) as refused:
        authentication.identify(Proof.API_KEY, incoming, region="eu-west-1", now_ms=0)
    assert refused.value.error is GatewayError.INVALID_API_KEY
    answer = GatewayResponses({}).answer(refused.value.error, {}, message=refused.value.message)
    assert (answer.status, answer.body) == (403, '{"message":"Forbidden"}')


def _document(asked: object, *schemes: dict[str, Any], **document: Any) -> dict[str, Any]:
    rendered = {**copy.deepcopy(load(ApiSettings.default(), table="t", journal="j", region="eu-west-1")), **document}
    rendered["components"]["securitySchemes"] = {f"s{number}": scheme for number, scheme in enumerate(schemes)}
    if asked is not None:
        rendered["paths"]["/requests"]["put"]["security"] = asked
    return rendered


@pytest.mark.parametrize(
    ("document", "proof"),
    [
        (_document(None), None),
        (_document([], SIGV4), None),
        (_document([{"s0": []}], SIGV4), Proof.SIGNATURE),
        (_document([{"s0": []}], X_API_KEY), Proof.API_KEY),
    ],
)
def test_an_operation_asks_for_one_proof(document: dict[str, Any], proof: Proof | None) -> None:
    """Given an operation's security, the proof it asks for is known."""
    found = Document.read(document).find("PUT", "/requests")
    assert found is not None
    assert found[0].proof is proof


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        (_document([{"s0": []}], COGNITO), "cognito_user_pools"),
        (_document([{"s0": []}], {"type": "http", "scheme": "bearer"}), r"s0 \(http\)"),
        (_document([{"s0": []}], {**X_API_KEY, "in": "query"}), r"s0 \(apiKey\)"),
        (
            _document([{"s0": []}], X_API_KEY, **{"x-amazon-apigateway-api-key-source": "AUTHORIZER"}),
            "can't be checked",
        ),
        (_document([{"s0": []}, {"s1": []}], SIGV4, X_API_KEY), "one scheme"),
        (_document([{"s0": [], "s1": []}], SIGV4, X_API_KEY), "one scheme"),
        (_document([{}], SIGV4), "one scheme"),
        (_document([{"s1": []}], SIGV4), "s1"),
        (_document(None, SIGV4, security=[{"s0": []}]), "a document's own security"),
    ],
)
def test_what_can_not_be_checked_is_not_served(document: dict[str, Any], fault: str) -> None:
    """Given security that can't be checked here, the document is refused rather than served open."""
    with pytest.raises(ConfigurationError, match=fault):
        Document.read(document)

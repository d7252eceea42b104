"""The local gateway's check of signatures, and what it tells whoever signed wrongly."""

from collections.abc import Mapping
from http.client import HTTPMessage
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dropslot.local.gateway.authentication import Authentication, RefusedError
from dropslot.local.gateway.callers import Callers, RoleSession
from dropslot.local.gateway.gateway_responses import GatewayError, GatewayResponses
from dropslot.local.gateway.incoming import Incoming
from dropslot.local.gateway.security import Proof

SHOP = RoleSession(access_key="ASIASHOP", secret_key="s3cret", role="shop", role_id="AROASHOP", name="i-0123")
AUTHENTICATION = Authentication(Callers(role_sessions=(SHOP,)))
REGION = "eu-west-1"
#: 2026-11-20T12:00:00Z.
NOW_MS = 1_795_176_000_000
NOW = "20261120T120000Z"


class _Eager(SigV4Auth):
    """Signs also headers that botocore never signs, as other signers do."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPMessage:
        return request.headers


def _incoming(
    *,
    target: str = "/orders/a%2Fb@c?b=2&a=%20",
    timestamp: str = NOW,
    service: str = "execute-api",
    region: str = REGION,
    headers: Mapping[str, str] | None = None,
    signer_class: type[SigV4Auth] = SigV4Auth,
) -> Incoming:
    """Return a request signed at a time."""
    call = AWSRequest(method="PUT", url=f"http://gateway{target}", data=b"soup", headers=headers)
    call.context["timestamp"] = timestamp
    call.headers["x-amz-date"] = timestamp
    call.headers["host"] = "gateway"
    signer = signer_class(Credentials(SHOP.access_key, SHOP.secret_key), service, region)
    signature = signer.signature(signer.string_to_sign(call, signer.canonical_request(call)), call)
    signed = signer.signed_headers(signer.headers_to_sign(call))
    call.headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(call)}, SignedHeaders={signed}, Signature={signature}"
    )
    path, _, query = target.partition("?")
    sent = {name.lower(): value for name, value in call.headers.items()}
    return Incoming(
        method="PUT", path=path, raw_query=query, query={}, headers=sent, body=b"soup", source_ip="127.0.0.1"
    )


def _changed(incoming: Incoming, **headers: str | None) -> Incoming:
    """Return the request with headers replaced, or left out for None; `_` stands for `-`."""
    changes = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in {**incoming.headers, **changes}.items() if value is not None}
    return Incoming(
        method=incoming.method,
        path=incoming.path,
        raw_query=incoming.raw_query,
        query={},
        headers=kept,
        body=incoming.body,
        source_ip="127.0.0.1",
    )


def _identify(incoming: Incoming) -> Mapping[str, str]:
    return AUTHENTICATION.identify(Proof.SIGNATURE, incoming, region=REGION, now_ms=NOW_MS)


@pytest.mark.parametrize(
    "incoming",
    [
        _incoming(),
        _incoming(target="/orders"),
        _incoming(target="/orders?a=2&a=1&b"),
        _incoming(headers={"X-Note": "  two   spaces "}),
        _incoming(headers={"user-agent": "curl"}),
        _incoming(headers={"user-agent": "curl"}, signer_class=_Eager),
        _incoming(timestamp="20261120T115500Z"),
        _incoming(timestamp="20261120T120500Z"),
    ],
)
def test_a_signed_call_is_its_session_s(incoming: Incoming) -> None:
    """Given a call as botocore signs it, templates are told what API Gateway tells of a role's session."""
    assert _identify(incoming) == {
        "accessKey": "ASIASHOP",
        "accountId": "123456789012",
        "caller": "AROASHOP:i-0123",
        "user": "AROASHOP:i-0123",
        "userArn": "arn:aws:sts::123456789012:assumed-role/shop/i-0123",
    }


GOOD = _incoming()
AUTHORIZATION = GOOD.headers["authorization"]
MISMATCH = "The request signature we calculated does not match the signature you provided."


@pytest.mark.parametrize(
    ("incoming", "message"),
    [
        (_changed(GOOD, authorization="Bearer t0ken"), "Authorization header requires 'Credential' parameter. "),
        (
            _changed(GOOD, authorization=AUTHORIZATION.partition(", Signature")[0]),
            "Authorization header requires 'Signature' parameter.",
        ),
        (
            _changed(GOOD, authorization=AUTHORIZATION.replace("aws4_request", "aws3")),
            "Credential should be scoped with a valid terminator: 'aws4_request'.",
        ),
        (
            _changed(GOOD, authorization=AUTHORIZATION.replace("ASIASHOP", "ASIAOTHER")),
            "The security token included in the request is invalid.",
        ),
        (_changed(GOOD, x_amz_date=None), "Authorization header requires existence of an 'X-Amz-Date' header."),
        (_changed(GOOD, x_amz_date="Fri, 20 Nov 2026"), "Date must be in ISO-8601 'basic format'."),
        (
            _changed(GOOD, x_amz_date="20261119T235900Z"),
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.",
        ),
        (
            _incoming(timestamp="20261120T115459Z"),
            "Signature expired: 20261120T115459Z is now earlier than 20261120T115500Z (20261120T120000Z - 5 min.)",
        ),
        (
            _incoming(timestamp="20261120T120501Z"),
            "Signature not yet current: 20261120T120501Z is still later than 20261120T120500Z ",
        ),
        (_incoming(region="us-east-1"), "Credential should be scoped to a valid region, 'eu-west-1'."),
        (_incoming(service="s3"), "Credential should be scoped to correct service: 'execute-api'."),
        (
            _changed(GOOD, authorization=AUTHORIZATION.replace("=host;", "=")),
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ),
        (_changed(GOOD, x_amz_date="20261120T120001Z"), MISMATCH),
        (_changed(GOOD, host="elsewhere"), MISMATCH),
        (_incoming(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}), MISMATCH),
        (_changed(GOOD, authorization=AUTHORIZATION[:-1] + "ä"), MISMATCH),
        (_changed(GOOD, authorization=AUTHORIZATION.replace("=host;", "=host;x-absent;")), MISMATCH),
    ],
)
def test_a_wrong_signature_is_answered_as_aws_does(incoming: Incoming, message: str) -> None:
    """Given a wrong signature, the answer is 403 with AWS's own words, and quotes no credential."""
    with pytest.raises(RefusedError) as refused:
        _identify(incoming)
    assert refused.value.error is GatewayError.INVALID_SIGNATURE
    answer = GatewayResponses({}).answer(refused.value.error, {}, message=refused.value.message)
    assert answer.status == 403
    assert refused.value.message.startswith(message)
    assert answer.body.startswith('{"message":"')
    assert "t0ken" not in answer.body


def test_no_signature_is_answered_as_aws_does() -> None:
    """Given no signature, the answer is the one for a path that isn't there."""
    with pytest.raises(RefusedError) as refused:
        _identify(_changed(GOOD, authorization=None))
    answer = GatewayResponses({}).answer(refused.value.error, {}, message=refused.value.message)
    assert (answer.status, answer.body) == (403, '{"message":"Missing Authentication Token"}')


def _presigned(changes: Mapping[str, str | None] | None = None, *, timestamp: str = NOW, seconds: int = 60) -> Incoming:
    """Return a handshake by a presigned URL, with parameters of its query changed, or left out for None."""
    call = AWSRequest(method="GET", url="http://gateway/local?color=dark%20red&b")
    call.context["timestamp"] = timestamp
    signer: Any = SigV4QueryAuth(Credentials(SHOP.access_key, SHOP.secret_key, "t0ken"), "execute-api", REGION, seconds)
    signer._modify_request_before_signing(call)
    signature = signer.signature(signer.string_to_sign(call, signer.canonical_request(call)), call)
    query = {**dict(parse_qsl(urlsplit(str(call.url)).query, True)), "X-Amz-Signature": signature}
    query = {name: value for name, value in {**query, **(changes or {})}.items() if value is not None}
    return Incoming(
        method="GET",
        path="/local",
        raw_query=urlencode(query, quote_via=quote),
        query=query,
        headers={"host": "gateway", "user-agent": "a page"},
        body=b"",
        source_ip="127.0.0.1",
    )


@pytest.mark.parametrize(
    "incoming",
    [_presigned(), _presigned(timestamp="20261120T115900Z"), _presigned(timestamp="20261113T120000Z", seconds=604_800)],
)
def test_a_presigned_url_is_its_session_s(incoming: Incoming) -> None:
    """Given a URL as botocore presigns it, until it expires, it is known whose it is."""
    assert _identify(incoming)["caller"] == "AROASHOP:i-0123"


@pytest.mark.parametrize(
    ("incoming", "message"),
    [
        (
            _presigned({"X-Amz-Date": None, "X-Amz-Expires": None}),
            " ".join(f"AWS query-string parameters must include 'X-Amz-{name}'." for name in ("Date", "Expires")),
        ),
        (
            _presigned({"X-Amz-Algorithm": "AWS4-ECDSA-P256-SHA256"}),
            "X-Amz-Algorithm only supports 'AWS4-HMAC-SHA256'.",
        ),
        (_presigned({"X-Amz-Expires": "604801"}), "X-Amz-Expires must be a number of seconds from 1 to 604800."),
        (_presigned({"X-Amz-Expires": "0"}), "X-Amz-Expires must be a number of seconds from 1 to 604800."),
        (_presigned({"X-Amz-Expires": "soon"}), "X-Amz-Expires must be a number of seconds from 1 to 604800."),
        (
            _presigned(timestamp="20261120T115859Z"),
            "Signature expired: 20261120T115859Z is now earlier than 20261120T115900Z (20261120T120000Z - 60 sec.)",
        ),
        (_presigned({"X-Amz-Expires": "61"}), MISMATCH),
        (_presigned({"color": "blue"}), MISMATCH),
        (_presigned({"more": "1"}), MISMATCH),
        (_presigned({"X-Amz-Signature": "0" * 64}), MISMATCH),
        (_presigned({"X-Amz-Security-Token": "another"}), MISMATCH),
    ],
)
def test_a_wrong_presigned_url_is_refused(incoming: Incoming, message: str) -> None:
    """Given a URL that has expired, or was changed after it was signed, the answer says so and quotes no credential."""
    with pytest.raises(RefusedError) as refused:
        _identify(incoming)
    assert refused.value.error is GatewayError.INVALID_SIGNATURE
    assert refused.value.message.startswith(message)
    assert "t0ken" not in refused.value.message

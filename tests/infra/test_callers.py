"""Whose requests a caller reaches through the deployed API, for each way to prove who calls."""

import json
from typing import Any

import pytest

from dropslot.local.gateway.template import Template as VelocityTemplate
from dropslot.local.gateway.variables import Input, namespace, request_context
from tests.infra.synthesis import Template, make_stack, only_resource_of, resolved, settings_of, template_of

POOL = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_Ab"
SETTINGS: dict[str, dict[str, object]] = {
    "iam": {"auth": "iam"},
    "api_key": {"auth": "api_key", "api_keys": ["shop"]},
    "cognito": {"auth": "cognito", "cognito_user_pool_arn": POOL},
}
#: What API Gateway knows once a call has passed: of one caller, of the same after a redeployment or a new login, and
#: of another one.
#: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
CALLERS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "iam": (
        {"identity": {"caller": "AROASHOP:i-0123", "userArn": "arn:aws:sts::1:assumed-role/shop/i-0123"}},
        {"identity": {"caller": "AROASHOP:i-9876", "userArn": "arn:aws:sts::1:assumed-role/shop/i-9876"}},
        {"identity": {"caller": "AROAPARTNER:i-0123", "userArn": "arn:aws:sts::1:assumed-role/partner/i-0123"}},
    ),
    "api_key": (
        {"identity": {"apiKeyId": "a1b2c3", "apiKey": "first"}},
        {"identity": {"apiKeyId": "a1b2c3", "apiKey": "first"}},
        {"identity": {"apiKeyId": "d4e5f6", "apiKey": "second"}},
    ),
    "cognito": (
        {"identity": {}, "authorizer": {"claims": {"sub": "7f-1", "iat": "1"}}},
        {"identity": {}, "authorizer": {"claims": {"sub": "7f-1", "iat": "2"}}},
        {"identity": {}, "authorizer": {"claims": {"sub": "7f-2", "iat": "1"}}},
    ),
}


def key_of(template: Template, method: str, path: str, context: dict[str, Any]) -> str:
    """Return the key of what a call with the client's key `k1` reads or writes."""
    document = resolved(only_resource_of(template, "AWS::ApiGateway::RestApi")["Body"], template)
    texts = document["paths"][path][method]["x-amazon-apigateway-integration"]["requestTemplates"]
    params = {"path": {"id": "k1"}, "querystring": {}, "header": {"Idempotency-Key": "k1"}}
    seen = request_context(requestId="c0ffee", requestTimeEpoch=1_700_000_000_000, **context)
    call = VelocityTemplate(texts["application/json"]).render(namespace(Input('{"dish": "soup"}', params), seen))
    arguments = json.loads(call)
    key = arguments["Key"]["id"] if "Key" in arguments else arguments["ExpressionAttributeValues"][":id"]
    return str(key["S"])


@pytest.mark.parametrize("auth", SETTINGS)
def test_a_caller_reaches_its_own_requests_alone(auth: str) -> None:
    """Given two callers who use the same key, then each stores and reads its own; a new session finds the old one's."""
    template = template_of(make_stack(settings_of(**SETTINGS[auth])))
    calls = (("put", "/orders"), ("post", "/orders"), ("get", "/orders/{id}"), ("get", "/orders/{id}/steps"))
    mine, again, theirs = ({key_of(template, *call, context) for call in calls} for context in CALLERS[auth])
    assert len(mine) == 1
    assert mine == again
    assert mine.isdisjoint(theirs)

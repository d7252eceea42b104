"""What an API asks besides the HTTP contract, put into its document: who may call, and from which pages."""

import copy
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal

Auth = Literal["iam", "api_key", "cognito", "none"]

_SCHEME: Final = "caller"
#: The star holds for all headers but this one, since no cookies are asked for.
_REQUEST_HEADERS: Final = "*,Authorization"
#: Headers of an answer that a page's script may read.
_ANSWER_HEADERS: Final = "Location,Retry-After,x-amzn-RequestId"
_METHODS: Final = ("get", "put", "post")


def with_auth(
    document: Mapping[str, Any], auth: Auth, *, open_types: Collection[str] = (), user_pool_arn: str = ""
) -> dict[str, Any]:
    """Return a document whose operations ask for a caller.

    The templates take the caller's part of each id from what API Gateway knows about whoever passed this check.

    Args:
        document: as `dropslot.api.loader` renders it.
        auth: ``none`` asks nobody.
        open_types: types of request that anybody may send and ask for.
        user_pool_arn: the Cognito user pool whose tokens are taken, for auth ``cognito``.
    """
    changed = copy.deepcopy(dict(document))
    if auth == "none":
        return changed
    changed["components"]["securitySchemes"] = {_SCHEME: _scheme(auth, user_pool_arn)}
    if auth == "api_key":
        changed["x-amazon-apigateway-api-key-source"] = "HEADER"
    for path, item in changed["paths"].items():
        if path.split("/")[1] not in open_types:
            for method in set(_METHODS) & set(item):
                item[method]["security"] = [{_SCHEME: []}]
    return changed


def with_cors(document: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Return a document that lets pages of an origin call the API from a browser.

    Args:
        document: with or without auth; a preflight never asks for a caller, since browsers send it without one.
        origin: such as ``https://shop.example``, or ``*`` for any.
    """
    changed = copy.deepcopy(dict(document))
    headers = {"Access-Control-Allow-Origin": f"'{origin}'", "Access-Control-Expose-Headers": f"'{_ANSWER_HEADERS}'"}
    for item in changed["paths"].values():
        methods = sorted(set(_METHODS) & set(item))
        for method in methods:
            for answer in item[method]["responses"].values():
                answer["headers"].update({header: {"schema": {"type": "string"}} for header in headers})
            for answer in item[method]["x-amazon-apigateway-integration"]["responses"].values():
                answer["responseParameters"].update(_prefixed("method.response.header.", headers))
        item["options"] = _preflight(
            # What the path itself asks for, every method of it has.
            [parameter for parameter in item[methods[0]].get("parameters", ()) if parameter["in"] == "path"],
            {
                "Access-Control-Allow-Origin": headers["Access-Control-Allow-Origin"],
                "Access-Control-Allow-Methods": f"'{','.join(methods).upper()}'",
                "Access-Control-Allow-Headers": f"'{_REQUEST_HEADERS}'",
                "Access-Control-Max-Age": "'3600'",
            },
        )
    # Without these a page couldn't read why it was refused.
    for answer in changed["x-amazon-apigateway-gateway-responses"].values():
        answer.setdefault("responseParameters", {}).update(_prefixed("gatewayresponse.header.", headers))
    return changed


def _scheme(auth: Auth, user_pool_arn: str) -> dict[str, Any]:
    if auth == "api_key":
        return {"type": "apiKey", "name": "x-api-key", "in": "header"}
    header = {"type": "apiKey", "name": "Authorization", "in": "header"}
    if auth == "iam":
        return {**header, "x-amazon-apigateway-authtype": "awsSigv4"}
    return {
        **header,
        "x-amazon-apigateway-authtype": "cognito_user_pools",
        "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": [user_pool_arn]},
    }


def _preflight(parameters: list[dict[str, Any]], headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "summary": "Tell a browser that a page may call",
        "parameters": parameters,
        "responses": {
            "204": {
                "description": "It may.",
                "headers": {header: {"schema": {"type": "string"}} for header in headers},
            }
        },
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "passthroughBehavior": "never",
            # Else API Gateway takes the empty body as binary where the API has binary media types, and fails.
            "contentHandling": "CONVERT_TO_TEXT",
            "requestTemplates": {"application/json": '{"statusCode": 204}'},
            "responses": {
                "default": {
                    "statusCode": "204",
                    "responseParameters": _prefixed("method.response.header.", headers),
                }
            },
        },
    }


def _prefixed(prefix: str, headers: Mapping[str, str]) -> dict[str, str]:
    return {prefix + header: value for header, value in headers.items()}

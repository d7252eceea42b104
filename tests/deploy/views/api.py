"""The HTTP API, as API Gateway tells it, in the template's words."""

from collections.abc import Mapping
from typing import Any, Final

from tests.deploy.views.aws import Aws

_METHODS: Final = frozenset({"delete", "get", "head", "options", "patch", "post", "put"})
#: What API Gateway makes of an operation's integration, under the names that it tells.
_INTEGRATION: Final = ("type", "httpMethod", "uri", "credentials", "passthroughBehavior")


def rest_api(aws: Aws, api_id: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::ApiGateway::RestApi."""
    client = aws("apigateway")
    resources = client.get_resources(restApiId=api_id, limit=500, embed=["methods"])["items"]
    answers = client.get_gateway_responses(restApiId=api_id)["items"]
    return {
        **client.get_rest_api(restApiId=api_id),
        "Body": {
            "operations": [
                {
                    "path": resource["path"],
                    "method": method["httpMethod"],
                    "signed": method["authorizationType"] == "AWS_IAM",
                    "validated": method.get("requestValidatorId") is not None,
                    "integration": _integration(method["methodIntegration"], "integrationResponses"),
                }
                for resource in resources
                for method in resource["resourceMethods"].values()
            ],
            "models": [model["name"] for model in client.get_models(restApiId=api_id).get("items", [])],
            "gatewayResponses": [_answer(one["responseType"], one) for one in answers if not one["defaultResponse"]],
        },
    }


def as_told(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put an OpenAPI document into the form in which `rest_api` tells what became of it.

    What is left out is for people who read the document: the templates write the answers.
    """
    return {
        "operations": [
            {
                "path": path,
                "method": method.upper(),
                "signed": bool(operation.get("security")),
                "validated": "x-amazon-apigateway-request-validator" in operation,
                "integration": _integration(operation["x-amazon-apigateway-integration"], "responses"),
            }
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if method in _METHODS
        ],
        "models": list(document["components"]["schemas"]),
        "gatewayResponses": [
            _answer(kind, answer) for kind, answer in document["x-amazon-apigateway-gateway-responses"].items()
        ],
    }


def stage(aws: Aws, name: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::ApiGateway::Stage."""
    found = aws("apigateway").get_stage(restApiId=wanted["RestApiId"], stageName=name)
    return {
        **found,
        "RestApiId": wanted["RestApiId"],
        "AccessLogSetting": found.get("accessLogSettings"),
        "MethodSettings": [
            {"ResourcePath": f"/{place.rpartition('/')[0]}", "HttpMethod": place.rpartition("/")[2], **settings}
            for place, settings in found["methodSettings"].items()
        ],
    }


def deployment(aws: Aws, deployment_id: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::ApiGateway::Deployment."""
    found = aws("apigateway").get_deployment(restApiId=wanted["RestApiId"], deploymentId=deployment_id)
    return {**found, "RestApiId": wanted["RestApiId"]}


def account(aws: Aws, _physical_id: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::ApiGateway::Account."""
    return dict(aws("apigateway").get_account())


def _integration(told: Mapping[str, Any], responses: str) -> Mapping[str, Any]:
    answers = told.get(responses, {})
    return {
        **{name: told[name].upper() if name == "type" else told[name] for name in _INTEGRATION if name in told},
        "requestTemplates": [
            {"contentType": content_type, "template": template}
            for content_type, template in told.get("requestTemplates", {}).items()
        ],
        "responses": [
            {
                "statusCode": answer["statusCode"],
                "template": answer.get("responseTemplates", {}).get("application/json", ""),
            }
            for answer in answers.values()
        ],
    }


def _answer(kind: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "type": kind,
        "statusCode": told.get("statusCode"),
        "template": told.get("responseTemplates", {}).get("application/json", ""),
    }

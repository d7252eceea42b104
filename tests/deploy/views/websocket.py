"""The WebSocket API, as API Gateway tells it, in the template's words."""

from collections.abc import Mapping
from typing import Any

from tests.deploy.views.aws import Aws


def api(aws: Aws, api_id: str, _wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::ApiGatewayV2::Api."""
    return dict(aws("apigatewayv2").get_api(ApiId=api_id))


def integration(aws: Aws, integration_id: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::ApiGatewayV2::Integration."""
    found = aws("apigatewayv2").get_integration(ApiId=wanted["ApiId"], IntegrationId=integration_id)
    return {**found, "ApiId": wanted["ApiId"]}


def route(aws: Aws, physical_id: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::ApiGatewayV2::Route."""
    # AWS's physical id is the route's own; the emulator puts the API's before it.
    found = aws("apigatewayv2").get_route(ApiId=wanted["ApiId"], RouteId=physical_id.rpartition("/")[2])
    return {**found, "ApiId": wanted["ApiId"]}


def stage(aws: Aws, name: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS::ApiGatewayV2::Stage."""
    return {**aws("apigatewayv2").get_stage(ApiId=wanted["ApiId"], StageName=name), "ApiId": wanted["ApiId"]}

"""The WebSocket API that outcomes are pushed by: its routes, its stage, its log, and who may connect."""

import json
from collections.abc import Sequence
from typing import Final

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct, IDependable

from dropslot.api.access import Auth
from dropslot_infra import permissions
from dropslot_infra.review import acknowledge

#: The only route that API Gateway can ask for a caller: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
CONNECT: Final = "$connect"
#: `$default` takes whatever is no message of ours, to say so.
ROUTES: Final = (CONNECT, "$disconnect", "watch", "$default")
_STAGE: Final = "v1"
#: Part of a message that names its route.
_ROUTE_OF_A_MESSAGE: Final = "$request.body.action"


class WebSocket(Construct):
    """The API. `answer_by` completes it: the function that answers must know the API's address first.

    Args:
        scope: the parent.
        construct_id: unique in it.
        name: of the API.
        auth: how a caller proves who it is when it connects; there is no built-in way for ``cognito``.
        api_keys: keys that callers have, for auth ``api_key``.
        requests_per_second: taken over time by each route, from all connections together.
        requests_burst: taken at once by each.
        log_group: of the log of connections and messages.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        auth: Auth,
        api_keys: Sequence[apigateway.IApiKey] = (),
        requests_per_second: int,
        requests_burst: int,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self._name = name
        self._auth = auth
        self._api_keys = api_keys
        self._rate = requests_per_second
        self._burst = requests_burst
        self._log_group = log_group
        self._api = apigatewayv2.CfnApi(
            self, "Api", name=name, protocol_type="WEBSOCKET", route_selection_expression=_ROUTE_OF_A_MESSAGE
        )
        host = f"{self._api.ref}.execute-api.{Stack.of(self).region}.{Stack.of(self).url_suffix}"
        #: Where clients connect.
        self.url: Final = f"wss://{host}/{_STAGE}"
        #: Where functions push to connections.
        self.callback_url: Final = f"https://{host}/{_STAGE}"

    def answer_by(self, function: lambda_.IFunction, *, ready: Sequence[IDependable] = ()) -> None:
        """Have a function answer all routes.

        Args:
            function: told of connections and messages.
            ready: what must be there before the stage.
        """
        integration = apigatewayv2.CfnIntegration(
            self,
            "Function",
            api_id=self._api.ref,
            integration_type="AWS_PROXY",
            integration_uri=(
                f"arn:{Stack.of(self).partition}:apigateway:{Stack.of(self).region}:lambda:path/2015-03-31/functions/"
                f"{function.function_arn}/invocations"
            ),
        )
        stage = self._stage()
        # A stage without routes can't be deployed.
        stage.node.add_dependency(*ready, *(self._route(key, integration, function) for key in ROUTES))
        if self._auth == "api_key":
            self._admit_keys(stage)

    def let_push(self, role: iam.Role) -> None:
        """Allow a role to send messages to connections of this API."""
        role.add_to_policy(permissions.push(self._arn("POST/@connections/*")))
        api_id = Stack.of(self).get_logical_id(self._api)
        acknowledge(
            role.node.find_child("DefaultPolicy"),
            {
                "AwsSolutions::AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:execute-api:<AWS::Region>:"
                f"<AWS::AccountId>:<{api_id}>/{_STAGE}/POST/@connections/*]": (
                    "whoever is connected may be told; it is this API's own stage, and sending is all"
                )
            },
        )

    def _stage(self) -> apigatewayv2.CfnStage:
        return apigatewayv2.CfnStage(
            self,
            "Stage",
            api_id=self._api.ref,
            stage_name=_STAGE,
            auto_deploy=True,
            access_log_settings=apigatewayv2.CfnStage.AccessLogSettingsProperty(
                destination_arn=self._log_group.log_group_arn, format=json.dumps(_EVENT)
            ),
            default_route_settings=apigatewayv2.CfnStage.RouteSettingsProperty(
                # Execution logs may quote messages and outcomes, which belong in no log.
                data_trace_enabled=False,
                logging_level="OFF",
                throttling_rate_limit=self._rate,
                throttling_burst_limit=self._burst,
            ),
        )

    def _route(
        self, key: str, integration: apigatewayv2.CfnIntegration, function: lambda_.IFunction
    ) -> apigatewayv2.CfnRoute:
        name = key.removeprefix("$").capitalize()
        asks = key == CONNECT
        route = apigatewayv2.CfnRoute(
            self,
            name,
            api_id=self._api.ref,
            route_key=key,
            authorization_type="AWS_IAM" if asks and self._auth == "iam" else "NONE",
            api_key_required=asks and self._auth == "api_key",
            target=f"integrations/{integration.ref}",
        )
        if not (asks and self._auth == "iam"):
            acknowledge(route, {"AwsSolutions::AwsSolutions-APIG4": _OPEN[self._auth if asks else "connected"]})
        lambda_.CfnPermission(
            self,
            f"May{name}",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="apigateway.amazonaws.com",
            source_arn=self._arn(key),
        )
        return route

    def _admit_keys(self, stage: apigatewayv2.CfnStage) -> None:
        # A plan of its own: CDK's plans take stages of HTTP APIs alone.
        plan = apigateway.CfnUsagePlan(
            self,
            "Plan",
            usage_plan_name=self._name,
            throttle=apigateway.CfnUsagePlan.ThrottleSettingsProperty(rate_limit=self._rate, burst_limit=self._burst),
            api_stages=[apigateway.CfnUsagePlan.ApiStageProperty(api_id=self._api.ref, stage=stage.ref)],
        )
        for key in self._api_keys:
            apigateway.CfnUsagePlanKey(
                self, f"Plan{key.node.id}", key_id=key.key_id, key_type="API_KEY", usage_plan_id=plan.ref
            )

    def _arn(self, rest: str) -> str:
        return Stack.of(self).format_arn(
            service="execute-api",
            resource=self._api.ref,
            resource_name=f"{_STAGE}/{rest}",
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )


#: Why a route needs no authorization, by the auth of $connect or for those who are connected.
_OPEN: Final = {
    "api_key": "each caller needs an API key to connect",
    "none": "the settings let anybody send requests, so anybody may wait for them",
    "connected": "API Gateway asks who calls when somebody connects; only who is connected gets here",
}
#: One line for each connection, message and end of a connection. No header, no body: they are the clients'.
_EVENT: Final = {
    "event": "socket_event",
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "connection_id": "$context.connectionId",
    # Not the message's own word for it: a client may put a quotation mark into that.
    "kind": "$context.eventType",
    "route": "$context.routeKey",
    "status": "$context.status",
    "error": "$context.error.responseType",
    "function_status": "$context.integration.status",
    "function_latency_ms": "$context.integrationLatency",
    "source_ip": "$context.identity.sourceIp",
    "caller": "$context.identity.caller",
    "api_key_id": "$context.identity.apiKeyId",
}

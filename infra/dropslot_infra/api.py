"""The HTTP API: the OpenAPI document on API Gateway, which calls DynamoDB with no code between."""

import json
from collections.abc import Sequence
from typing import Final

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from dropslot.api.access import Auth, with_auth, with_cors
from dropslot.api.loader import load
from dropslot.api.settings import ApiSettings
from dropslot_infra.review import acknowledge

#: What the templates call: accept is one UpdateItem, the status one GetItem, the steps one Query of the journal.
TABLE_ACTIONS: Final = ("dynamodb:GetItem", "dynamodb:UpdateItem")
JOURNAL_ACTIONS: Final = ("dynamodb:Query",)
_STAGE: Final = "v1"


class Api(Construct):
    """The API with its stage, its log of calls, its limits and, for API keys, its callers.

    Args:
        scope: the parent.
        construct_id: unique in it.
        name: of the API.
        types: what it accepts.
        table: the table of requests.
        journal: the table of finished steps; its role may touch no other than these two.
        auth: how a caller proves who it is.
        open_types: types that anybody may send to.
        user_pool_arn: the Cognito user pool, for auth ``cognito``.
        api_keys: names of the callers, for auth ``api_key``.
        cors_origin: the origin whose pages may call, or "" for none.
        requests_per_second: taken over time by each method of each type, from all callers together.
        requests_burst: taken at once by each.
        log_role: whether to make the role that lets API Gateway write logs; else the account must have one.
        log_retention: how long the log of calls is kept.
        removal_policy: of the log.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        types: ApiSettings,
        table: dynamodb.ITable,
        journal: dynamodb.ITable,
        auth: Auth,
        open_types: Sequence[str] = (),
        user_pool_arn: str = "",
        api_keys: Sequence[str] = (),
        cors_origin: str = "",
        requests_per_second: int,
        requests_burst: int,
        log_role: bool = True,
        log_retention: logs.RetentionDays,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            description="Lets the API store requests, and read their state and their steps",
            inline_policies={
                "table": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(actions=list(TABLE_ACTIONS), resources=[table.table_arn]),
                        iam.PolicyStatement(actions=list(JOURNAL_ACTIONS), resources=[journal.table_arn]),
                    ]
                )
            },
        )
        document = load(
            types,
            table=table.table_name,
            journal=journal.table_name,
            region=Aws.REGION,
            role_arn=self.role.role_arn,
            partition=Aws.PARTITION,
        )
        document["info"]["title"] = name
        document = with_auth(document, auth, open_types=open_types, user_pool_arn=user_pool_arn)
        if cors_origin:
            document = with_cors(document, cors_origin)
        self.log_group = logs.LogGroup(self, "Calls", retention=log_retention, removal_policy=removal_policy)
        self.api = apigateway.SpecRestApi(
            self,
            "Api",
            rest_api_name=name,
            api_definition=apigateway.ApiDefinition.from_inline(document),
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # An account has one role for the logs of all its APIs. It outlives this stack: others may rely on it.
            cloud_watch_role=log_role,
            cloud_watch_role_removal_policy=RemovalPolicy.RETAIN if log_role else None,
            deploy_options=apigateway.StageOptions(
                stage_name=_STAGE,
                access_log_destination=apigateway.LogGroupLogDestination(self.log_group),
                access_log_format=apigateway.AccessLogFormat.custom(json.dumps(_CALL)),
                # Execution logs may quote a body that its schema refused; bodies belong in no log.
                logging_level=apigateway.MethodLoggingLevel.OFF,
                data_trace_enabled=False,
                throttling_rate_limit=requests_per_second,
                throttling_burst_limit=requests_burst,
            ),
        )
        #: What names that role to the account, None where nothing here does: stages that log must wait for it.
        self.account: Final = self.api.node.try_find_child("Account")
        self.api_keys: Final[list[apigateway.IApiKey]] = []
        self.stage = self.api.deployment_stage
        self.url = self.api.url
        if auth == "api_key":
            self._add_callers(name, api_keys, requests_per_second, requests_burst)
        self._acknowledge(log_role=log_role)

    def _add_callers(self, name: str, api_keys: Sequence[str], rate: int, burst: int) -> None:
        plan = self.api.add_usage_plan(
            "Plan",
            name=name,
            # Of each key, over all methods; the stage's limits are of each method, over all callers.
            throttle=apigateway.ThrottleSettings(rate_limit=rate, burst_limit=burst),
        )
        plan.add_api_stage(stage=self.stage)
        for caller in api_keys:
            key = apigateway.ApiKey(self, f"Key-{caller}", api_key_name=f"{name}-{caller}")
            plan.add_api_key(key)
            self.api_keys.append(key)

    def _acknowledge(self, *, log_role: bool) -> None:
        acknowledge(
            self.api,
            {
                "AwsSolutions::AwsSolutions-APIG2": "The document turns validation on for each type that has a schema; "
                "the rule looks for a validator outside of it.",
            },
        )
        if log_role:
            acknowledge(
                self.api.node.find_child("CloudWatchRole"),
                {
                    "AwsSolutions::AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
                    "AmazonAPIGatewayPushToCloudWatchLogs]": "It is what AWS made for this role, which the account's "
                    "APIs share, and holds nothing but writing logs.",
                },
            )
        acknowledge(
            self.stage,
            {
                "AwsSolutions::AwsSolutions-APIG3": "A web ACL has a price by the month, and rules that depend on who "
                "calls. The stage limits the rate, and each call needs a caller unless the settings open its type.",
                "AwsSolutions::AwsSolutions-APIG6": "Execution logs may quote bodies, which belong in no log. The "
                "access log has a line for each call.",
            },
        )


#: One line for each call. No header, no body: they are the clients'.
_CALL: Final = {
    "event": "api_call",
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "method": "$context.httpMethod",
    # Not the path itself: a client may put a quotation mark into it, and the line would be no JSON.
    "resource_path": "$context.resourcePath",
    "status": "$context.status",
    "error": "$context.error.responseType",
    "store_status": "$context.integration.status",
    "latency_ms": "$context.responseLatency",
    "store_latency_ms": "$context.integration.latency",
    "source_ip": "$context.identity.sourceIp",
    "caller": "$context.identity.caller",
    "api_key_id": "$context.identity.apiKeyId",
}

"""What roles need for calls that no local stack sees, each with its reason: most are made by AWS itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.iam.deployment import FLOW_LOG, SECRET, TASK_EXECUTION
from tests.iam.pipeline import (
    CONSUMER,
    NOTIFY_FUNCTION,
    OPERATOR,
    SOCKET_FUNCTION,
    STREAM_FUNCTION,
    SWEEP_FUNCTION,
    VIEWER,
)
from tests.infra.synthesis import ACCOUNT, REGION


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrecorded:
    """Actions that a role needs on one resource.

    Args:
        role: whose.
        actions: as policies name them.
        resource: as for `Deployment.arn`.
        reason: who calls, and why no recording has it.
        source: where AWS says so.
        context: condition keys that the calls have.
        beside: part of the pipeline without which nobody calls; "" for `resource` itself.
    """

    role: str
    actions: Sequence[str]
    resource: str
    reason: str
    source: str
    context: Mapping[str, str] = field(default_factory=dict)
    beside: str = ""


def _log_of(role: str, log_group: str, reason: str, source: str, *more: str) -> Unrecorded:
    return Unrecorded(
        role=role,
        actions=("logs:CreateLogStream", "logs:PutLogEvents", *more),
        resource=f"@{log_group}|:log-stream:one",
        reason=reason,
        source=source,
    )


def _secret_of(role: str, reason: str, source: str) -> Unrecorded:
    return Unrecorded(
        role=role,
        actions=("secretsmanager:GetSecretValue",),
        resource=f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET}-AbCdEf",
        reason=reason,
        source=source,
    )


_KCL_PERMISSIONS: Final = "https://docs.aws.amazon.com/streams/latest/dev/kcl-iam-permissions.html"
_LAMBDA_LOGS: Final = "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html"
_ON_FAILURE: Final = "https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html"
_LAMBDA_ACTIONS: Final = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html"
_S3_ACTIONS: Final = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html"
_EXECUTION_ROLE: Final = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html"

UNRECORDED: Final[Sequence[Unrecorded]] = (
    Unrecorded(
        role=CONSUMER,
        actions=("cloudwatch:PutMetricData",),
        resource="*",
        context={"cloudwatch:namespace": "shop"},
        reason="KCL publishes its metrics; here there is no CloudWatch, so they are off",
        source=_KCL_PERMISSIONS,
    ),
    *(
        Unrecorded(
            role=role,
            actions=(
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
            ),
            resource="stream",
            reason="Lambda's event source mapping reads the stream in the function's name",
            source="https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html",
        )
        for role in (STREAM_FUNCTION, NOTIFY_FUNCTION)
    ),
    Unrecorded(
        role=STREAM_FUNCTION,
        actions=("s3:PutObject",),
        resource="@ConsumerFailures|/aws/lambda/one",
        reason="the mapping puts given-up batches there",
        source=_ON_FAILURE,
    ),
    Unrecorded(
        role=STREAM_FUNCTION,
        actions=("s3:ListBucket",),
        resource="@ConsumerFailures",
        reason="Lambda asks for it when it makes the mapping",
        source=_ON_FAILURE,
    ),
    _log_of(STREAM_FUNCTION, "ConsumerStreamLog", "Lambda writes what the function logs", _LAMBDA_LOGS),
    _log_of(SWEEP_FUNCTION, "SweepLog", "Lambda writes what the function logs", _LAMBDA_LOGS),
    _log_of(SOCKET_FUNCTION, "FeedbackSocketLog", "Lambda writes what the function logs", _LAMBDA_LOGS),
    _log_of(NOTIFY_FUNCTION, "FeedbackOutcomesNotifyLog", "Lambda writes what the function logs", _LAMBDA_LOGS),
    _secret_of(
        STREAM_FUNCTION,
        "the user's handler reads the secret that it is given the ARN of",
        "https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples.html",
    ),
    Unrecorded(
        role=TASK_EXECUTION,
        actions=("ecr:GetAuthorizationToken",),
        resource="*",
        reason="ECS signs in to the registry; the action knows no resource",
        source=_EXECUTION_ROLE,
    ),
    Unrecorded(
        role=TASK_EXECUTION,
        actions=("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
        resource=f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/cdk-hnb659fds-container-assets-{ACCOUNT}-{REGION}",
        reason="ECS pulls the image",
        source=_EXECUTION_ROLE,
    ),
    _log_of(TASK_EXECUTION, "ConsumerLog", "ECS writes what the container logs", _EXECUTION_ROLE),
    _secret_of(
        TASK_EXECUTION,
        "ECS puts the secret into the container's environment",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html",
    ),
    _log_of(
        FLOW_LOG,
        "NetworkRefusedTraffic",
        "the VPC writes its flow log",
        "https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html",
        "logs:DescribeLogStreams",
    ),
    Unrecorded(
        role=VIEWER,
        actions=("lambda:ListEventSourceMappings",),
        resource="*",
        reason="commands look for the consumer's mapping; the action knows no resource. The local stack's is a file",
        source=_LAMBDA_ACTIONS,
    ),
    Unrecorded(
        role=VIEWER,
        actions=("cloudwatch:GetMetricStatistics",),
        resource="*",
        reason="`lag` asks how far the function is behind; here there is no CloudWatch",
        source="https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html",
        beside="@ConsumerMapping",
    ),
    Unrecorded(
        role=VIEWER,
        actions=("s3:ListBucket",),
        resource="@ConsumerFailures",
        reason="`replay` lists given-up batches; locally they are files",
        source=_S3_ACTIONS,
    ),
    Unrecorded(
        role=VIEWER,
        actions=("s3:GetObject",),
        resource="@ConsumerFailures|/aws/lambda/one",
        reason="`replay` reads given-up batches; locally they are files",
        source=_S3_ACTIONS,
    ),
    Unrecorded(
        role=OPERATOR,
        actions=("lambda:UpdateEventSourceMapping",),
        resource="@ConsumerMapping",
        reason="`pause` and `resume` switch the consumer's mapping; the local stack's is a file",
        source=_LAMBDA_ACTIONS,
    ),
)

#: What KCL 3.5 needs of tables that are there: nothing here has run it. The leader's lock and the workers' statistics
#: lie in its one table, too.
KCL_3_5: Final[Sequence[Unrecorded]] = (
    Unrecorded(
        role=CONSUMER,
        actions=(
            "dynamodb:DeleteItem",
            "dynamodb:DescribeTable",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        ),
        resource="leases",
        reason="leases, coordination and statistics in one table",
        source=_KCL_PERMISSIONS,
    ),
    Unrecorded(
        role=CONSUMER,
        actions=("dynamodb:Query",),
        resource="leases/index/LeaseOwnerToLeaseKeyIndex",
        reason="the leases of one worker",
        source=_KCL_PERMISSIONS,
    ),
    *(
        Unrecorded(
            role=CONSUMER,
            actions=("dynamodb:DescribeTable",),
            resource=table,
            reason="it looks at each start whether the application has the tables of KCL 3.0 to 3.4",
            source="https://docs.aws.amazon.com/streams/latest/dev/kcl-single-table-format.html",
        )
        for table in ("coordination", "statistics")
    ),
)

#: What roles may do though nothing needs it, as (role, action), with the reason why it is left.
SURPLUS: Final[Mapping[tuple[str, str], str]] = {
    (TASK_EXECUTION, "secretsmanager:DescribeSecret"): "CDK grants it with each secret that a container gets; it tells "
    "a secret's name and rotation, never its value",
}

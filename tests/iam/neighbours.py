"""What roles must not be able to do: beside what they need, and near enough to be granted by mistake."""

from collections.abc import Mapping, Sequence
from typing import Final

from tests.iam.deployment import FLOW_LOG, TASK_EXECUTION
from tests.iam.pipeline import (
    API,
    CONSUMER,
    NOTIFY_FUNCTION,
    OPERATOR,
    SOCKET_FUNCTION,
    STREAM_FUNCTION,
    SWEEP_FUNCTION,
    VIEWER,
)
from tests.infra.synthesis import ACCOUNT, REGION

_JOURNAL: Final = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/shop-journal"
_OTHER_APPLICATION: Final = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/shop-staging"
_OTHER_STREAM: Final = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/shop-journal"
_OTHER_SECRET: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:kitchen/password-AbCdEf"
_OTHER_LOG: Final = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:other:log-stream:one"
_OTHER_API: Final = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:other/v1/POST/@connections/one"
_OTHER_MAPPING: Final = f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:other"
_OTHER_FUNCTION: Final = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:other"
_OTHER_IMAGE: Final = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/other"

#: Nobody of the pipeline may do this to the table of requests.
_ON_REQUESTS: Final = (
    "CreateTable",
    "DeleteItem",
    "DeleteTable",
    "PartiQLDelete",
    "PartiQLInsert",
    "PartiQLSelect",
    "PutItem",
    "Scan",
    "UpdateTable",
    "UpdateTimeToLive",
)
#: Nor this to that of steps; who keeps it may query and update it.
_ON_JOURNAL: Final = (
    "BatchGetItem",
    "BatchWriteItem",
    "DeleteItem",
    "DeleteTable",
    "GetItem",
    "PartiQLSelect",
    "PartiQLUpdate",
    "PutItem",
    "Scan",
)
_ON_STREAM: Final = ("DeleteStream", "MergeShards", "PutRecord", "PutRecords", "SplitShard")

#: Nobody who operates it may do this.
_ON_ALL: Final = (
    *(
        (f"dynamodb:{action}", "requests")
        for action in ("CreateTable", "DeleteTable", "UpdateTable", "UpdateTimeToLive")
    ),
    *((f"dynamodb:{action}", "requests") for action in ("BatchWriteItem", "GetItem", "PartiQLDelete", "UpdateItem")),
    ("dynamodb:DisableKinesisStreamingDestination", "requests"),
    ("dynamodb:Query", "requests/index/other"),
    *((f"dynamodb:{action}", "leases") for action in ("DeleteItem", "PutItem", "UpdateItem")),
    *((f"dynamodb:{action}", "coordination") for action in ("DeleteItem", "PutItem", "UpdateItem")),
    *((f"dynamodb:{action}", "connections") for action in ("Query", "Scan")),
    *((f"dynamodb:{action}", _JOURNAL) for action in ("DeleteTable", "PartiQLUpdate", "PutItem", "Scan", "UpdateItem")),
    ("dynamodb:Scan", _OTHER_APPLICATION),
    *((f"kinesis:{action}", "stream") for action in (*_ON_STREAM, "DecreaseStreamRetentionPeriod")),
    ("kinesis:GetRecords", _OTHER_STREAM),
    ("secretsmanager:GetSecretValue", _OTHER_SECRET),
    ("lambda:UpdateEventSourceMapping", _OTHER_MAPPING),
    ("lambda:CreateEventSourceMapping", "*"),
    ("lambda:GetFunctionConfiguration", _OTHER_FUNCTION),
    ("lambda:InvokeFunction", _OTHER_FUNCTION),
    ("s3:GetObject", "arn:aws:s3:::other/aws/lambda/one"),
    ("s3:PutObject", "arn:aws:s3:::other/aws/lambda/one"),
    ("execute-api:Invoke", "websocket/POST"),
    ("logs:GetLogEvents", _OTHER_LOG),
)

#: Role to (action, resource), with resources as for `Deployment.arn`.
NEIGHBOURS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    API: (
        *((f"dynamodb:{action}", "requests") for action in (*_ON_REQUESTS, "BatchGetItem", "PartiQLUpdate", "Query")),
        ("dynamodb:Query", "requests/index/unfinished"),
        ("dynamodb:UpdateItem", "leases"),
        *((f"dynamodb:{action}", _JOURNAL) for action in ("GetItem", "PutItem", "Scan", "UpdateItem")),
        ("kinesis:PutRecord", "stream"),
    ),
    CONSUMER: (
        *((f"dynamodb:{action}", "requests") for action in (*_ON_REQUESTS, "GetItem", "Query", "UpdateItem")),
        ("dynamodb:Query", "requests/index/other"),
        ("dynamodb:PartiQLUpdate", "leases"),
        *((f"dynamodb:{action}", _JOURNAL) for action in _ON_JOURNAL),
        ("dynamodb:DeleteTable", "leases"),
        ("dynamodb:DeleteTable", "coordination"),
        ("dynamodb:UpdateTable", "coordination"),
        ("dynamodb:DeleteTable", "statistics"),
        ("dynamodb:Scan", "coordination"),
        ("dynamodb:CreateTable", _OTHER_APPLICATION),
        ("dynamodb:UpdateItem", _OTHER_APPLICATION),
        ("dynamodb:CreateTable", "leases"),
        ("dynamodb:UpdateTable", "leases"),
        ("dynamodb:Query", "connections"),
        ("execute-api:ManageConnections", "websocket/POST"),
        *((f"kinesis:{action}", "stream") for action in (*_ON_STREAM, "RegisterStreamConsumer")),
        ("kinesis:GetRecords", _OTHER_STREAM),
        ("secretsmanager:GetSecretValue", _OTHER_SECRET),
    ),
    STREAM_FUNCTION: (
        *((f"dynamodb:{action}", "requests") for action in (*_ON_REQUESTS, "GetItem", "Query", "UpdateItem")),
        ("dynamodb:Query", "requests/index/unfinished"),
        *((f"dynamodb:{action}", _JOURNAL) for action in _ON_JOURNAL),
        *((f"kinesis:{action}", "stream") for action in _ON_STREAM),
        ("kinesis:GetRecords", _OTHER_STREAM),
        ("s3:GetObject", "@ConsumerFailures|/aws/lambda/one"),
        ("s3:DeleteObject", "@ConsumerFailures|/aws/lambda/one"),
        ("s3:PutObject", "arn:aws:s3:::other/aws/lambda/one"),
        ("secretsmanager:GetSecretValue", _OTHER_SECRET),
        ("logs:PutLogEvents", _OTHER_LOG),
    ),
    SWEEP_FUNCTION: (
        *((f"dynamodb:{action}", "requests") for action in (*_ON_REQUESTS, "BatchGetItem", "GetItem", "Query")),
        ("dynamodb:UpdateItem", "requests"),
        ("dynamodb:Query", "requests/index/other"),
        *((f"dynamodb:{action}", _JOURNAL) for action in (*_ON_JOURNAL, "Query", "UpdateItem")),
        ("kinesis:GetRecords", "stream"),
        ("logs:PutLogEvents", _OTHER_LOG),
    ),
    SOCKET_FUNCTION: (
        *((f"dynamodb:{action}", "requests") for action in (*_ON_REQUESTS, "GetItem", "PartiQLUpdate", "UpdateItem")),
        ("dynamodb:Query", "requests/index/unfinished"),
        *((f"dynamodb:{action}", _JOURNAL) for action in (*_ON_JOURNAL, "Query", "UpdateItem")),
        *((f"dynamodb:{action}", "connections") for action in ("DeleteTable", "GetItem", "Query", "Scan")),
        *((f"execute-api:{action}", "websocket/POST") for action in ("Invoke", "InvalidateCache")),
        ("execute-api:ManageConnections", "websocket/GET"),
        ("execute-api:ManageConnections", "websocket/DELETE"),
        ("execute-api:ManageConnections", _OTHER_API),
        ("kinesis:GetRecords", "stream"),
        ("logs:PutLogEvents", _OTHER_LOG),
    ),
    NOTIFY_FUNCTION: (
        *((f"dynamodb:{action}", "requests") for action in (*_ON_REQUESTS, "BatchGetItem", "GetItem", "UpdateItem")),
        ("dynamodb:PartiQLUpdate", "requests"),
        *((f"dynamodb:{action}", _JOURNAL) for action in (*_ON_JOURNAL, "Query", "UpdateItem")),
        *((f"dynamodb:{action}", "connections") for action in ("DeleteTable", "PutItem", "Scan", "UpdateItem")),
        ("execute-api:ManageConnections", "websocket/GET"),
        ("execute-api:ManageConnections", "websocket/DELETE"),
        ("execute-api:ManageConnections", _OTHER_API),
        *((f"kinesis:{action}", "stream") for action in _ON_STREAM),
        ("kinesis:GetRecords", _OTHER_STREAM),
        ("logs:PutLogEvents", _OTHER_LOG),
    ),
    VIEWER: (
        *_ON_ALL,
        *((f"dynamodb:{action}", "requests") for action in ("DeleteItem", "PartiQLInsert", "PartiQLUpdate", "PutItem")),
        ("dynamodb:BatchWriteItem", _JOURNAL),
    ),
    OPERATOR: _ON_ALL,
    TASK_EXECUTION: (
        ("dynamodb:GetItem", "requests"),
        ("kinesis:GetRecords", "stream"),
        ("ecr:BatchGetImage", _OTHER_IMAGE),
        ("secretsmanager:GetSecretValue", _OTHER_SECRET),
        ("logs:PutLogEvents", _OTHER_LOG),
    ),
    FLOW_LOG: (("logs:PutLogEvents", _OTHER_LOG), ("logs:PutLogEvents", "@ConsumerLog|:log-stream:one")),
}

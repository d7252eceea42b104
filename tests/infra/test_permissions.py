"""What the roles may do, statement by statement, held against the calls in the code."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from aws_cdk import aws_lambda as lambda_

from dropslot_infra.feedback import Feedback
from dropslot_infra.kcl_consumer import KclConsumer
from dropslot_infra.lambda_consumer import LambdaConsumer
from dropslot_infra.network import Network
from dropslot_infra.sweep import ScheduledSweep
from tests.infra.parts import (
    JOURNAL_ARN,
    ONLY_THE_PAUSE,
    STREAM_ARN,
    TABLE_ARN,
    actions_of,
    journal_in,
    make_stack,
    statements_of,
    stream_in,
    table_in,
)
from tests.infra.synthesis import ACCOUNT, PROJECT, REGION, Template, resolved, resources_of, template_of

PACKAGE: Final = PROJECT / "consumer" / "dropslot"
#: Calls that need another action than one of their own name.
OTHER_ACTIONS: Final = {"BatchExecuteStatement": "PartiQLUpdate", "TransactWriteItems": "PutItem"}
#: Calls that are made only where the stack's own tables are missing: on the local stack.
ONLY_LOCAL: Final = frozenset({"CreateTable"})
#: Of a client, but no calls.
NO_CALLS: Final = frozenset({"close", "exceptions", "meta"})


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Both variants in one template."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "Dockerfile").write_text("FROM scratch\n")
    stack = make_stack()
    table, journal, stream = table_in(stack), journal_in(stack), stream_in(stack)
    network = Network(stack, "Network", mode="public")
    KclConsumer(
        stack,
        "Tasks",
        table=table,
        journal=journal,
        stream=stream,
        vpc=network.vpc,
        subnets=network.subnets,
        assign_public_ip=True,
        application="shop",
        image_directory=folder,
    )
    code = lambda_.Code.from_asset(str(folder))
    LambdaConsumer(stack, "Functions", table=table, journal=journal, stream=stream, code=code)
    ScheduledSweep(stack, "Sweep", table=table, code=code)
    Feedback(
        stack,
        "Feedback",
        name="shop-feedback",
        table=table,
        stream=stream,
        code=code,
        auth="iam",
        requests_per_second=10,
        requests_burst=20,
    )
    return template_of(stack)


def rights_of(template: Template, role: str) -> dict[str, set[str]]:
    """Return a role's actions by resource."""
    rights: dict[str, set[str]] = {}
    for statement in statements_of(template, role).values():
        assert statement["Effect"] == "Allow"
        rights.setdefault(resolved(statement["Resource"], template), set()).update(actions_of(statement))
    return rights


def test_a_task_may_do_this_and_nothing_else(template: Template) -> None:
    """Given the container's role, these are all its rights: two tables, one stream, KCL's tables, one namespace."""
    assert rights_of(template, "TaskRole") == {
        TABLE_ARN: {"dynamodb:BatchGetItem", "dynamodb:PartiQLUpdate"},
        f"{TABLE_ARN}/index/unfinished": {"dynamodb:Query"},
        JOURNAL_ARN: {"dynamodb:Query", "dynamodb:UpdateItem"},
        STREAM_ARN: {"kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"},
        _arn("shop"): {
            "dynamodb:DeleteItem",
            "dynamodb:DescribeTable",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        },
        f"{_arn('shop')}/index/LeaseOwnerToLeaseKeyIndex": {"dynamodb:Query"},
        _arn("shop-CoordinatorState"): {
            "dynamodb:DeleteItem",
            "dynamodb:DescribeTable",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        },
        _arn("shop-WorkerMetricStats"): {
            "dynamodb:DeleteItem",
            "dynamodb:DescribeTable",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        },
        "*": {"cloudwatch:PutMetricData"},
    }


def test_metrics_go_to_one_namespace(template: Template) -> None:
    """Given that PutMetricData knows no resource, a condition holds it to the application's namespace."""
    assert statements_of(template, "TaskRole")["PublishMetrics"]["Condition"] == {
        "StringEquals": {"cloudwatch:namespace": "shop"}
    }


def test_the_function_may_do_this_and_nothing_else(template: Template) -> None:
    """Given the consumer's function, these are all its rights: no sweep, and only its own log and bucket."""
    rights = rights_of(template, "FunctionsStreamRole")
    assert rights.pop(TABLE_ARN) == {"dynamodb:BatchGetItem", "dynamodb:PartiQLUpdate"}
    assert rights.pop(JOURNAL_ARN) == {"dynamodb:Query", "dynamodb:UpdateItem"}
    assert rights.pop(STREAM_ARN) == {
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
    }
    (bucket_id,) = resources_of(template, "AWS::S3::Bucket")
    assert rights.pop(_arn(bucket_id)) == {"s3:ListBucket"}
    assert rights.pop(f"{_arn(bucket_id)}/*") == {"s3:PutObject"}
    ((log, actions),) = rights.items()
    assert "FunctionsStreamLog" in log
    assert actions == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_the_sweep_may_do_this_and_nothing_else(template: Template) -> None:
    """Given the sweep's function, it looks into the index and redrives; it reads no stream, and no item but a pause."""
    rights = rights_of(template, "SweepRole")
    assert rights.pop(TABLE_ARN) == {"dynamodb:BatchGetItem", "dynamodb:PartiQLUpdate"}
    assert statements_of(template, "SweepRole")["LookForPause"]["Condition"] == ONLY_THE_PAUSE
    assert rights.pop(f"{TABLE_ARN}/index/unfinished") == {"dynamodb:Query"}
    ((log, actions),) = rights.items()
    assert "SweepLog" in log
    assert actions == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_the_socket_may_do_this_and_nothing_else(template: Template) -> None:
    """Given the function behind the WebSocket, it reads requests, keeps watches, and sends; it reads no stream."""
    rights = rights_of(template, "SocketRole")
    assert rights.pop(TABLE_ARN) == {"dynamodb:BatchGetItem"}
    assert rights.pop(_arn(_connections(template))) == {
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    }
    assert rights.pop(_connected(template)) == {"execute-api:ManageConnections"}
    ((log, actions),) = rights.items()
    assert "SocketLog" in log
    assert actions == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_notifying_may_do_this_and_nothing_else(template: Template) -> None:
    """Given the function that pushes outcomes, it finds and forgets who waits, and sends; it touches no request."""
    rights = rights_of(template, "NotifyRole")
    assert rights.pop(STREAM_ARN) == {
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
    }
    assert rights.pop(_arn(_connections(template))) == {"dynamodb:BatchWriteItem", "dynamodb:Query"}
    assert rights.pop(_connected(template)) == {"execute-api:ManageConnections"}
    ((log, actions),) = rights.items()
    assert "NotifyLog" in log
    assert actions == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_no_role_has_a_managed_policy(template: Template) -> None:
    """Given all roles, what they may do is written out here and not in a policy that AWS changes."""
    assert all("ManagedPolicyArns" not in role for role in resources_of(template, "AWS::IAM::Role").values())


def test_only_two_actions_are_for_any_resource(template: Template) -> None:
    """Given all policies, `*` stands only where an action knows no resource, and no action has a wildcard."""
    for policy in resources_of(template, "AWS::IAM::Policy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = actions_of(statement)
            assert not any("*" in action for action in actions)
            if statement["Resource"] == "*":
                assert actions <= {"cloudwatch:PutMetricData", "ecr:GetAuthorizationToken"}


def test_every_call_on_the_leases_is_allowed(template: Template) -> None:
    """Given each AWS call that prepares leases, the role that runs it has the action for it."""
    calls = calls_in(PACKAGE / "runtimes" / "kcl" / "lease_table.py") - ONLY_LOCAL
    assert calls
    allowed = {action.partition(":")[2] for actions in rights_of(template, "TaskRole").values() for action in actions}
    assert {OTHER_ACTIONS.get(call, call) for call in calls} <= allowed


@pytest.mark.parametrize(
    ("adapter", "table", "roles"),
    [
        ("requests", TABLE_ARN, ("TaskRole",)),
        # The sweep is a function of its own.
        ("requests", TABLE_ARN, ("FunctionsStreamRole", "SweepRole")),
        ("journal", JOURNAL_ARN, ("TaskRole",)),
        ("journal", JOURNAL_ARN, ("FunctionsStreamRole",)),
    ],
)
def test_every_call_on_a_table_is_allowed(adapter: str, table: str, roles: Sequence[str], template: Template) -> None:
    """Given the operations that an adapter names, those who use it have the action for each on its table."""
    sources = [module.read_text() for module in (PACKAGE / "adapters" / adapter).glob("*.py")]
    calls = {call for source in sources for call in re.findall(r'\bcall\(\s*"([A-Z]\w+)"', source)}
    assert calls
    allowed = {
        action
        for role in roles
        for resource, actions in rights_of(template, role).items()
        if resource.startswith(table)
        for action in actions
    }
    assert {f"dynamodb:{OTHER_ACTIONS.get(call, call)}" for call in calls} <= allowed


def calls_in(module: Path) -> set[str]:
    """Return the API calls that a module makes on its boto3 clients, by AWS's names."""
    calls: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if not isinstance(node, ast.Attribute):
            continue
        owner = node.value
        name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
        if name in {"_client", "client", "dynamodb", "kinesis"} and node.attr not in NO_CALLS:
            calls.add("DescribeTable" if node.attr == "get_waiter" else re.sub(r"(?:^|_)(\w)", _upper, node.attr))
    return calls


def _upper(match: re.Match[str]) -> str:
    return match[1].upper()


def _connections(template: Template) -> str:
    (table_id,) = (name for name in resources_of(template, "AWS::DynamoDB::Table") if "Connections" in name)
    return table_id


def _connected(template: Template) -> str:
    (api_id,) = resources_of(template, "AWS::ApiGatewayV2::Api")
    return f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/v1/POST/@connections/*"


def _arn(logical_id: str) -> str:
    return f"arn:aws:any:{REGION}:{ACCOUNT}:{logical_id}"

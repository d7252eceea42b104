"""Each role of the synthesised stack may do what its part was seen to do, and nothing else."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from dropslot.operate import trouble
from tests.iam import snapshot, unrecorded
from tests.iam.deployment import API_LOG, SECRET, Deployment
from tests.iam.neighbours import NEIGHBOURS
from tests.iam.pipeline import OPERATOR, SWEEP_FUNCTION, VIEWER
from tests.iam.simulation import Question, Statement, allowed
from tests.iam.unrecorded import Unrecorded
from tests.infra.synthesis import ACCOUNT, PROJECT, REGION

_SWITCH: Final = "lambda:UpdateEventSourceMapping"
Request = tuple[str, str, Mapping[str, str]]


def needed(deployment: Deployment) -> dict[str, list[Request]]:
    """Return action, ARN and context of all that each role of a variant needs."""
    requests = listed(deployment, unrecorded.UNRECORDED)
    for role, needs in snapshot.read().items():
        # The same permission may be needed by several calls.
        permissions = sorted(
            {(need.action, need.resource, need.item) for need in needs if deployment.has(need.resource)}
        )
        requests.get(role, []).extend(
            (action, deployment.arn(resource), _of_item(item)) for action, resource, item in permissions
        )
    # Who acts looks, too.
    requests[OPERATOR] += [each for each in requests[VIEWER] if each not in requests[OPERATOR]]
    return requests


def listed(deployment: Deployment, entries: Sequence[Unrecorded]) -> dict[str, list[Request]]:
    """Return what a list says, for the roles of a variant."""
    requests: dict[str, list[Request]] = {role: [] for role in deployment.roles()}
    for each in entries:
        if each.role in requests and deployment.has(each.beside or each.resource):
            arn = deployment.arn(each.resource)
            requests[each.role] += [(action, arn, each.context) for action in each.actions]
    return requests


def questions(statements: Sequence[Statement], requests: Sequence[Request]) -> list[Question]:
    """Ask whether statements allow requests."""
    return [
        Question(statements=statements, action=action, resource=arn, context=context)
        for action, arn, context in requests
    ]


def by_role(deployment: Deployment, requests: Mapping[str, Sequence[Request]], node: Path) -> dict[str, list[str]]:
    """Return which requests each role's own statements allow."""
    roles = deployment.roles()
    asked = [(role, each) for role, wishes in requests.items() for each in questions(roles[role], wishes)]
    verdicts = allowed([each for _, each in asked], node)
    may: dict[str, list[str]] = {}
    for (role, each), verdict in zip(asked, verdicts, strict=True):
        if verdict:
            may.setdefault(role, []).append(_said(each.action, each.resource, each.context))
    return may


def test_all_that_was_recorded_is_allowed(deployment: Deployment, node: Path) -> None:
    """Given all recorded calls and those that only AWS makes, then each role allows its own."""
    wishes = needed(deployment)
    assert by_role(deployment, wishes, node) == _said_by_role(wishes)


def test_the_one_table_of_kcl_3_5_is_allowed(deployment: Deployment, node: Path) -> None:
    """Given what AWS's documentation says that KCL 3.5 needs, then the role of a consumer with KCL allows it."""
    wishes = listed(deployment, unrecorded.KCL_3_5)
    assert by_role(deployment, wishes, node) == _said_by_role(wishes)


def test_neighbours_are_denied(deployment: Deployment, node: Path) -> None:
    """Given other tables, streams, applications and deeds than those needed, then no role allows any."""
    roles = deployment.roles()
    wishes: dict[str, list[Request]] = {
        role: [(action, deployment.arn(resource), {}) for action, resource in neighbours]
        for role, neighbours in NEIGHBOURS.items()
        if role in roles
    }
    assert by_role(deployment, wishes, node) == {}
    assert set(wishes) == {role for role, statements in roles.items() if statements}


def test_a_namesake_elsewhere_is_denied(deployment: Deployment, node: Path) -> None:
    """Given each needed action, when it is asked of a longer name, another region or account, then it is denied."""
    wishes = {
        role: [
            (action, other, context)
            for action, arn, context in each
            if arn != "*"
            for other in (
                _longer(arn),
                arn.replace(f":{REGION}:", ":us-west-2:"),
                arn.replace(f":{ACCOUNT}:", ":210987654321:"),
            )
            if other != arn
        ]
        for role, each in needed(deployment).items()
    }
    assert by_role(deployment, wishes, node) == {}


def test_metrics_go_into_one_namespace_only(deployment: Deployment, node: Path) -> None:
    """Given metrics for another namespace, or for none, then no role may publish them."""
    others: list[Mapping[str, str]] = [{"cloudwatch:namespace": "AWS/Kinesis"}, {"cloudwatch:namespace": "shop2"}, {}]
    wishes: dict[str, list[Request]] = {
        role: [("cloudwatch:PutMetricData", "*", each) for each in others] for role in deployment.roles()
    }
    assert by_role(deployment, wishes, node) == {}


def test_of_the_item_of_a_pause_alone(deployment: Deployment, node: Path) -> None:
    """Given a request, or an item of unknown key, then nobody may put it, and the sweep may not read it."""
    requests = deployment.arn("requests")
    others: list[Mapping[str, str]] = [_of_item("-#orders#one"), _of_item("@control2"), {}]
    wishes: dict[str, list[Request]] = {
        role: [("dynamodb:PutItem", requests, each) for each in others] for role in deployment.roles()
    }
    if SWEEP_FUNCTION in wishes:
        wishes[SWEEP_FUNCTION] += [("dynamodb:BatchGetItem", requests, each) for each in others]
    assert by_role(deployment, wishes, node) == {}


def test_without_any_one_action_a_needed_call_is_denied(deployment: Deployment, node: Path) -> None:
    """Given a role, when any one action on any one resource is taken from it, then something it needs is denied."""
    wishes = needed(deployment)
    asked: list[Question] = []
    taken: list[tuple[str, str, str]] = []
    for role, statements in deployment.roles().items():
        for at, statement in enumerate(statements):
            without = [*statements[:at], *statements[at + 1 :]]
            asked_before = [each for each in wishes[role] if each[0] == statement["Action"]]
            asked += questions(without, asked_before)
            taken += [(role, statement["Action"], statement["Resource"])] * len(asked_before)
    missed = {taken_away for taken_away, verdict in zip(taken, allowed(asked, node), strict=True) if not verdict}
    surplus = {
        (role, statement["Action"])
        for role, statements in deployment.roles().items()
        for statement in statements
        if (role, statement["Action"], statement["Resource"]) not in missed
    }
    assert surplus == {each for each in unrecorded.SURPLUS if each[0] in deployment.roles()}


def test_errors_of_commands_name_the_policy_that_helps(deployment: Deployment) -> None:
    """Given what may be done only by who acts, then it is among what the commands' errors name that policy for."""
    roles = deployment.roles()
    look, both = ({each["Action"] for each in roles[role]} for role in (VIEWER, OPERATOR))
    assert both - look == trouble.ACTING - ({_SWITCH} if not deployment.has("@ConsumerMapping") else set())
    assert {trouble.LOOK_POLICY, trouble.ACT_POLICY} <= set(deployment.template["Outputs"])


def test_a_secret_is_told_by_what_the_role_may_read(deployment: Deployment) -> None:
    """Given a secret's name, then it is fetched by its ARN without the six characters, which can't be taken for whole.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
    """
    (told,) = deployment.secrets_told()
    assert told == f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET}"
    assert re.search(r"-[A-Za-z0-9]{6}$", told) is None


def test_no_role_has_a_wildcard_for_actions(deployment: Deployment) -> None:
    """Given all roles, then each action is written out, and only the account's API log has a policy of AWS's own."""
    statements = [each for statements in deployment.roles().values() for each in statements]
    assert not [each for each in statements if "*" in each["Action"] or each["Effect"] != "Allow"]
    # What stands for all resources stands alone, and nothing but these actions knows none.
    assert {each["Action"] for each in statements if each["Resource"] == "*"} <= {
        "cloudwatch:GetMetricStatistics",
        "cloudwatch:PutMetricData",
        "ecr:GetAuthorizationToken",
        "lambda:ListEventSourceMappings",
    }
    (policy,) = deployment.managed_policies().pop(API_LOG)
    assert policy.endswith("/AmazonAPIGatewayPushToCloudWatchLogs")


def test_the_page_on_permissions_names_each_action(deployment: Deployment) -> None:
    """Given each role's actions, then docs/permissions.md has them all."""
    page = (PROJECT / "docs" / "permissions.md").read_text()
    actions = {each["Action"] for statements in deployment.roles().values() for each in statements}
    assert {each for each in actions if f"`{each}`" not in page} == set()


def test_only_what_no_recording_has_is_listed() -> None:
    """Given what is listed with a reason, then the recording doesn't have it, and it is listed once."""
    recorded = {(role, need.action, need.resource) for role, needs in snapshot.read().items() for need in needs}
    entries = [(each.role, action, each.resource) for each in unrecorded.UNRECORDED for action in each.actions]
    assert recorded.isdisjoint(entries)
    assert len(set(entries)) == len(entries)


def _of_item(key: str) -> Mapping[str, str]:
    return {"dynamodb:LeadingKeys": key} if key else {}


def _metrics(context: Mapping[str, str]) -> Request:
    return ("cloudwatch:PutMetricData", "*", context)


def _said_by_role(wishes: Mapping[str, Sequence[Request]]) -> dict[str, list[str]]:
    return {role: [_said(*each) for each in requests] for role, requests in wishes.items() if requests}


def _said(action: str, arn: str, context: Mapping[str, str]) -> str:
    return f"{action} on {arn}" + "".join(f", {key} {value}" for key, value in context.items())


def _longer(arn: str) -> str:
    """Return the ARN of something whose name begins like this one's."""
    head, separator, rest = arn.rpartition("/index/")
    if separator:
        return f"{head}-2{separator}{rest}"
    for separator in (":log-stream:", "/aws/lambda/", "/POST/"):
        head, found, rest = arn.rpartition(separator)
        if found:
            return f"{head}-2{found}{rest}"
    return f"{arn}-2"

"""The policies of operators: what they hold, whom they are for, and where they are told."""

from typing import Any

import pytest

from dropslot.core.errors import ConfigurationError
from tests.infra.parts import ONLY_THE_PAUSE, actions_of
from tests.infra.synthesis import Template, make_stack, resolved, resources_of, settings_of, template_of


def policies_of(template: Template) -> dict[str, dict[str, Any]]:
    """Return the managed policies by their names."""
    return {
        resolved(policy["ManagedPolicyName"], template): policy
        for policy in resources_of(template, "AWS::IAM::ManagedPolicy").values()
    }


def statements_of(template: Template, name: str) -> dict[str, dict[str, Any]]:
    """Return a policy's statements by their ids."""
    return {each["Sid"]: each for each in policies_of(template)[name]["PolicyDocument"]["Statement"]}


@pytest.fixture(scope="module", params=["kcl", "lambda"])
def template(request: pytest.FixtureRequest) -> Template:
    """Each variant, without anybody who operates it."""
    return template_of(make_stack(settings_of(name="shop", consumer=request.param)))


def test_nobody_has_them_by_default(template: Template) -> None:
    """Given no roles in the settings, then there are two policies, named by stack and region, and nobody has one."""
    policies = policies_of(template)
    assert set(policies) == {"shop-us-east-1-look", "shop-us-east-1-act"}
    assert [policy.get("Roles", []) for policy in policies.values()] == [[], []]
    assert all("Users" not in policy and "Groups" not in policy for policy in policies.values())


def test_their_arns_are_outputs(template: Template) -> None:
    """Given the stack's outputs, then each policy is one: errors of commands name these."""
    (look, act) = resources_of(template, "AWS::IAM::ManagedPolicy")
    assert template["Outputs"]["LookPolicy"]["Value"] == {"Ref": look}
    assert template["Outputs"]["ActPolicy"]["Value"] == {"Ref": act}


def test_roles_of_the_settings_get_them() -> None:
    """Given a viewer and an operator, then the viewer only looks."""
    settings = settings_of(name="shop", viewer_roles=["support", "on-call"], operator_roles=["on-call"])
    policies = policies_of(template_of(make_stack(settings)))
    assert policies["shop-us-east-1-look"]["Roles"] == ["support", "on-call"]
    assert policies["shop-us-east-1-act"]["Roles"] == ["on-call"]


def test_a_role_is_given_by_its_name() -> None:
    """Given an ARN, which may be another account's, then the fault says what is wanted instead."""
    with pytest.raises(ConfigurationError, match="the name of a role of this account: the last part of its ARN"):
        settings_of(operator_roles=["arn:aws:iam::210987654321:role/on-call"])


def test_who_looks_changes_nothing(template: Template) -> None:
    """Given the policy to look, then each of its actions is a read by its name."""
    statements = statements_of(template, "shop-us-east-1-look").values()
    actions = {action.partition(":")[2] for statement in statements for action in actions_of(statement)}
    assert actions
    assert {action for action in actions if not action.startswith(("BatchGet", "Describe", "Get", "List"))} == {
        "Query",
        "Scan",
    }


def test_one_item_can_be_put(template: Template) -> None:
    """Given the policy to act, then PutItem is for the item of a pause alone: no request can be replaced."""
    statement = statements_of(template, "shop-us-east-1-act")["Pause"]
    assert actions_of(statement) == {"dynamodb:PutItem"}
    assert statement["Condition"] == ONLY_THE_PAUSE


def test_only_the_consumer_s_mapping_can_be_switched() -> None:
    """Given feedback, whose mapping reads the same stream, then the policy names only the consumer's."""
    template = template_of(make_stack(settings_of(name="shop", consumer="lambda", feedback=True)))
    mappings = resources_of(template, "AWS::Lambda::EventSourceMapping")
    (consumer,) = (name for name in mappings if name.startswith("Consumer"))
    assert len(mappings) == 2
    statement = statements_of(template, "shop-us-east-1-act")["SwitchMapping"]
    assert resolved(statement["Resource"], template) == (
        f"arn:aws:lambda:us-east-1:123456789012:event-source-mapping:{consumer}"
    )

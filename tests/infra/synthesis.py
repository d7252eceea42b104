"""What CDK makes of settings, and what CloudFormation would make of that."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_

from dropslot_infra.settings import DeploymentSettings
from dropslot_infra.stack import DropslotStack

PROJECT: Final = Path(__file__).resolve().parents[2]
ENVIRONMENTS: Final = PROJECT / "infra" / "environments"
ACCOUNT: Final = "123456789012"
REGION: Final = "us-east-1"

Template = Mapping[str, Any]


def settings_of(**changes: object) -> DeploymentSettings:
    """Read settings that leave everything else at its default."""
    return DeploymentSettings.from_mapping(changes, project=PROJECT)


def make_app(outdir: Path | None = None) -> App:
    """Make an app with the flags that `cdk deploy` gives it."""
    context = json.loads((PROJECT / "cdk.json").read_text())["context"]
    return App(context=context, outdir=None if outdir is None else str(outdir))


def make_stack(settings: DeploymentSettings, app: App | None = None) -> DropslotStack:
    """Make the stack, with an asset of functions that nobody has to build."""
    return DropslotStack(
        app if app is not None else make_app(),
        settings.name,
        settings=settings,
        project=PROJECT,
        code=lambda_.Code.from_asset(str(PROJECT / "lambda")),
    )


def template_of(stack: Stack) -> Template:
    """Synthesise the app of a stack and return the stack's template."""
    app = stack.node.root
    assert isinstance(app, App)
    template: Template = app.synth().get_stack_by_name(stack.stack_name).template
    return template


def resources_of(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by logical id."""
    return {
        logical_id: resource.get("Properties", {})
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def only_resource_of(template: Template, kind: str) -> dict[str, Any]:
    """Return the properties of the one resource of a type."""
    (properties,) = resources_of(template, kind).values()
    return properties


def resolved(value: Any, template: Template) -> Any:
    """Put in what CloudFormation's functions stand for, as far as the API's document uses them.

    Names of resources are their physical names where they have some, else their logical ids.
    """
    if isinstance(value, list):
        return [resolved(entry, template) for entry in value]
    if not isinstance(value, dict):
        return value
    if "Ref" in value:
        return _PSEUDO_PARAMETERS.get(value["Ref"]) or _physical_name(template, value["Ref"])
    if "Fn::GetAtt" in value:
        logical_id, attribute = value["Fn::GetAtt"]
        assert attribute == "Arn"
        return f"arn:aws:any:{REGION}:{ACCOUNT}:{_physical_name(template, logical_id)}"
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(resolved(part, template) for part in parts)
    assert not any(key.startswith("Fn::") for key in value)
    return {key: resolved(entry, template) for key, entry in value.items()}


_PSEUDO_PARAMETERS: Final = {"AWS::Region": REGION, "AWS::Partition": "aws", "AWS::AccountId": ACCOUNT}


def _physical_name(template: Template, logical_id: str) -> str:
    properties = template["Resources"][logical_id].get("Properties", {})
    return str(properties.get("TableName", logical_id))

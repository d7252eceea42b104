"""A stack's life in the emulator: deployed, deployed again, changed, and destroyed; with what was seen on the way."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.deploy.assembly import Assembly, adapt
from tests.deploy.cdk import Cdk, CdkError, Ran
from tests.deploy.expected import resolve
from tests.deploy.views import look
from tests.deploy.views.api import as_told
from tests.deploy.views.aws import Aws

#: The switch that spares Docker: an image that a pipeline would have pushed. Nothing ever pulls it here.
IMAGE: Final = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dropslot:1"
VARIANTS: Final[Mapping[str, Mapping[str, str]]] = {
    "kcl": {
        "dropslot:consumer": "kcl",
        "dropslot:image": IMAGE,
        "dropslot:feedback": "true",
        "dropslot:removal": "retain",
    },
    "lambda": {"dropslot:consumer": "lambda", "dropslot:removal": "destroy"},
}
#: What a team changes later: one type and its handler more, another time to live, another shard.
LATER: Final[Mapping[str, str]] = {
    "dropslot:api": "tests/deploy/later.toml",
    "dropslot:handlers": '{"*" = "app.handler:handle"}',
    "dropslot:ttl_seconds": "300",
    "dropslot:shards": "2",
}
ITEM: Final = {"id": {"S": "-#orders#kept"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was there at one time.

    Args:
        kinds: the resources' types, by logical id.
        physical_ids: what they are called in the account.
        wanted: their properties, resolved.
        made: what the services tell of them; None for what isn't there.
    """

    kinds: Mapping[str, str]
    physical_ids: Mapping[str, str]
    wanted: Mapping[str, Mapping[str, Any]]
    made: Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """What was seen of one variant.

    Args:
        variant: `kcl` or `lambda`.
        assembly: what was deployed first.
        first: after that.
        again: what the command line said when the same was deployed once more.
        diff: what it said would change.
        changed: after the change was deployed.
        item: what the table then had of `ITEM`.
        refusal: what it said to destroying a protected stack; "" if it did it.
        left: logical ids of what was there after the stack was destroyed.
        seconds: that each step took.
    """

    variant: str
    assembly: Assembly
    first: Sight
    again: str
    diff: str
    changed: Sight
    item: Mapping[str, Any] | None
    refusal: str
    left: Collection[str]
    seconds: Mapping[str, float]

    @property
    def retained(self) -> set[str]:
        """Logical ids of what is to stay when the stack goes."""
        kept = {"Retain", "RetainExceptOnCreate"}
        return {name for name, one in self.assembly.resources.items() if one.get("DeletionPolicy") in kept}


def travel(variant: str, cdk: Cdk, aws: Aws, folder: Path) -> Journey:
    """Take a variant through its life.

    Args:
        variant: of `VARIANTS`.
        cdk: the command line.
        aws: the same emulator's clients.
        folder: for assemblies.
    """
    stack = f"shop-{variant}"
    context = {"env": "dev", "dropslot:name": stack, **VARIANTS[variant]}
    seconds: dict[str, float] = {}

    def run(step: str, command: Callable[[], Ran]) -> str:
        ran = command()
        seconds[step] = round(ran.seconds, 1)
        return ran.output

    run("synth", lambda: cdk.synth(folder / "first", context))
    assembly = adapt(folder / "first", stack)
    run("deploy", lambda: cdk.deploy(assembly.folder))
    started = time.monotonic()
    first = _see(aws, assembly)
    seconds["look"] = round(time.monotonic() - started, 1)
    table = {"TableName": f"{stack}-requests"}
    aws("dynamodb").put_item(**table, Item=ITEM)
    again = run("deploy again", lambda: cdk.deploy(assembly.folder))
    run("synth change", lambda: cdk.synth(folder / "later", {**context, **LATER}))
    later = adapt(folder / "later", stack)
    diff = run("diff", lambda: cdk.diff(later.folder))
    run("deploy change", lambda: cdk.deploy(later.folder))
    changed = _see(aws, later)
    item = aws("dynamodb").get_item(**table, Key=ITEM).get("Item")
    refusal = ""
    try:
        run("destroy", lambda: cdk.destroy(later.folder))
    except CdkError as error:
        refusal = str(error)
        aws("cloudformation").update_termination_protection(StackName=stack, EnableTerminationProtection=False)
        run("destroy", lambda: cdk.destroy(later.folder))
    left = {
        name
        for name, kind in changed.kinds.items()
        if look(aws, kind, changed.physical_ids[name], changed.wanted[name]) is not None
    }
    return Journey(
        variant=variant,
        assembly=assembly,
        first=first,
        again=again,
        diff=diff,
        changed=changed,
        item=item,
        refusal=refusal,
        left=left,
        seconds=seconds,
    )


def _see(aws: Aws, assembly: Assembly) -> Sight:
    found = aws("cloudformation").describe_stack_resources(StackName=assembly.stack)["StackResources"]
    physical_ids = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}
    wanted = {name: _wanted(one, physical_ids) for name, one in assembly.resources.items()}
    kinds = {name: one["Type"] for name, one in assembly.resources.items()}
    made = {name: look(aws, kind, physical_ids[name], wanted[name]) for name, kind in kinds.items()}
    return Sight(kinds=kinds, physical_ids=physical_ids, wanted=wanted, made=made)


def _wanted(resource: Mapping[str, Any], physical_ids: Mapping[str, str]) -> Mapping[str, Any]:
    properties: dict[str, Any] = resolve(resource.get("Properties", {}), physical_ids)
    if resource["Type"] == "AWS::ApiGateway::RestApi":
        properties["Body"] = as_told(properties["Body"])
    return properties

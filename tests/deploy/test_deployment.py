"""What the CDK command line does with both variants, and what is there then: asked of each service, not believed."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.deploy.assembly import REFUSED, Resource
from tests.deploy.comparison import differences
from tests.deploy.journey import ITEM, Journey, Sight
from tests.deploy.views.aws import Aws

_DROPPED: Final = Path(__file__).with_name("dropped.json")
_DATA: Final = ("AWS::DynamoDB::Table", "AWS::Kinesis::Stream")
#: What mustn't be replaced, whatever a team changes: it holds data, or others have its URL.
_KEPT: Final = (*_DATA, "AWS::ApiGateway::RestApi")


def identity(sight: Sight, name: str) -> object:
    """Return what tells a resource from another with its name."""
    made = sight.made[name]
    assert made is not None
    return made.get("TableId") or made["StreamCreationTimestamp"]


def refusal(client: Any, resource: Resource) -> str:
    """Have a stack made of one resource and return why it can't be."""
    try:
        stack = client.create_stack(StackName="refused", TemplateBody=json.dumps({"Resources": {"One": resource}}))
    except ClientError as error:
        return str(error)
    with pytest.raises(WaiterError):
        client.get_waiter("stack_create_complete").wait(
            StackName=stack["StackId"], WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
    events = client.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    client.delete_stack(StackName=stack["StackId"])
    return "".join(event.get("ResourceStatusReason", "") for event in events)


def test_everything_of_the_template_is_there(journey: Journey) -> None:
    """Given a deployed stack, then each service knows each of its resources, before and after a change."""
    for sight in (journey.first, journey.changed):
        assert [name for name, made in sight.made.items() if made is None] == []


def test_what_differs_is_what_the_emulator_is_known_to_drop(journeys: dict[str, Journey]) -> None:
    """Given what each service tells, then it is what the template says, but for all of `dropped.json`."""
    found: dict[str, set[str]] = defaultdict(set)
    for journey in journeys.values():
        for sight in (journey.first, journey.changed):
            for name, wanted in sight.wanted.items():
                kind, places = sight.kinds[name], set(differences(wanted, sight.made[name]))
                # What was there at first and then isn't what the change says, stands apart.
                found[kind if sight is journey.first else f"{kind}, changed"] |= places - found[kind]
    known = {kind: set(reasons) for kind, reasons in json.loads(_DROPPED.read_text()).items()}
    assert {kind: places for kind, places in found.items() if places} == known


@pytest.mark.parametrize("word", REFUSED)
def test_what_is_left_out_is_refused(word: str, journeys: dict[str, Journey], aws: Aws) -> None:
    """Given a resource that was left out, when a stack has nothing else, then the emulator refuses it so."""
    left_out = [one for journey in journeys.values() for one in journey.assembly.refused[word].values()]
    assert word in refusal(aws("cloudformation"), left_out[0])


def test_deploying_the_same_again_changes_nothing(journey: Journey) -> None:
    """Given a deployed stack, when it is deployed again, then there is nothing to do."""
    assert f"{journey.assembly.stack} (no changes)" in journey.again


def test_a_change_keeps_data(journey: Journey) -> None:
    """Given a type, a shard and another ttl that come later, then tables, stream and items are the same.

    The emulator makes another API of a changed document, which AWS doesn't; the next test is about that.
    """
    kept = [name for name, kind in journey.first.kinds.items() if kind in _DATA]
    assert [identity(journey.changed, name) for name in kept] == [identity(journey.first, name) for name in kept]
    assert journey.item == ITEM


def test_the_diff_of_a_change_replaces_nothing_that_must_stay(journey: Journey) -> None:
    """Given that change, when one asks what it would do, then it updates in place what holds data or has a URL."""
    lines = [line for line in journey.diff.splitlines() if any(f" {kind} " in line for kind in _KEPT)]
    assert len(lines) == 2, "the stream and the API"
    assert all(line.startswith("[~]") and not line.endswith(("replaced", "replace")) for line in lines)


def test_a_stack_with_data_to_keep_is_not_destroyed_at_once(journeys: dict[str, Journey]) -> None:
    """Given a stack that keeps its data, when it is destroyed, then that is refused until its protection is off."""
    assert "TerminationProtection is enabled" in journeys["kcl"].refusal
    assert journeys["lambda"].refusal == ""


def test_only_what_is_to_be_kept_is_left(journey: Journey) -> None:
    """Given a stack that was destroyed, then the services know none of its resources but those it keeps."""
    assert journey.left == journey.retained


def test_figures(journeys: dict[str, Journey], tell: Callable[[object], None]) -> None:
    """Tell how long each step took."""
    for journey in journeys.values():
        steps = ", ".join(f"{step} {seconds}" for step, seconds in journey.seconds.items())
        tell(f"deploy {journey.variant}, seconds: {steps}")

"""What `cdk synth` has put into a folder, and how what the emulator refuses is left out of it."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Resource = Mapping[str, Any]
Template = Mapping[str, Any]

#: What the emulator refuses a stack for, with its word for it: the one place where a deployment differs from the real
#: one. A test holds each entry against the emulator.
REFUSED: Final[Mapping[str, Callable[[Resource], bool]]] = {
    "Unrecognized resource types: [AWS::EC2::FlowLog]": lambda one: one["Type"] == "AWS::EC2::FlowLog",
    "Properties.Metrics (metric math) is not supported": lambda one: (
        one["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in one["Properties"]
    ),
}
#: Stands in other resources where one that was left out is referred to.
LEFT_OUT: Final = "left-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """One stack's assembly.

    Args:
        folder: of the assembly.
        stack: the stack's name.
        refused: by the emulator's word for it, what was left out: logical id to resource, without its references.
    """

    folder: Path
    stack: str
    refused: Mapping[str, Mapping[str, Resource]]

    @property
    def template(self) -> Template:
        """What is deployed."""
        template: Template = json.loads((self.folder / f"{self.stack}.template.json").read_text())
        return template

    @property
    def resources(self) -> Mapping[str, Resource]:
        """The template's resources by logical id, but CDK's note about itself."""
        return {name: one for name, one in self.template["Resources"].items() if one["Type"] != "AWS::CDK::Metadata"}


def adapt(folder: Path, stack: str) -> Assembly:
    """Leave out of an assembly what the emulator refuses."""
    file = folder / f"{stack}.template.json"
    template = json.loads(file.read_text())
    resources = template["Resources"]
    refused = {
        word: {name: _without(one, resources) for name, one in resources.items() if is_refused(one)}
        for word, is_refused in REFUSED.items()
    }
    gone = {name for names in refused.values() for name in names}
    template["Resources"] = {name: _without(one, gone) for name, one in resources.items() if name not in gone}
    old = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_text(json.dumps(template))
    # A template is uploaded under its hash, and not again if that is there.
    new = hashlib.sha256(file.read_bytes()).hexdigest()
    for index in (folder / "manifest.json", folder / f"{stack}.assets.json"):
        index.write_text(index.read_text().replace(old, new))
    return Assembly(folder=folder, stack=stack, refused=refused)


def _without(value: Any, gone: Collection[str]) -> Any:
    if isinstance(value, list):
        return [_without(entry, gone) for entry in value]
    if not isinstance(value, dict):
        return value
    if value.get("Ref") in gone or value.get("Fn::GetAtt", [""])[0] in gone:
        return LEFT_OUT
    kept = {key: _without(entry, gone) for key, entry in value.items()}
    if isinstance(kept.get("DependsOn"), list):
        kept["DependsOn"] = [name for name in kept["DependsOn"] if name not in gone]
    return kept

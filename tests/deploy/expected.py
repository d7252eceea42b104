"""What a template says once CloudFormation's functions have their values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.deploy.ministack import ACCOUNT, REGION

_PSEUDO_PARAMETERS: Final = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
#: Attributes that are what `Ref` gives.
_SAME_AS_REF: Final = {"GroupId"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Like:
    """A text of which only parts are known, such as an ARN that ends with a name.

    Args:
        pattern: a regular expression for all of it.
    """

    pattern: str

    def fits(self, text: object) -> bool:
        """Tell whether this may be the text."""
        return isinstance(text, str) and re.fullmatch(self.pattern, text, re.DOTALL) is not None


def resolve(value: Any, physical_ids: Mapping[str, str]) -> Any:
    """Put in what the functions stand for.

    Args:
        value: of a property.
        physical_ids: of the stack's resources, by logical id.

    Raises:
        ValueError: a function that no template of ours had when this was written.
    """
    if isinstance(value, list):
        return [resolve(entry, physical_ids) for entry in value]
    if not isinstance(value, dict):
        return value
    for name, argument in value.items():
        if name == "Ref" or name.startswith("Fn::"):
            return _called(name, argument, physical_ids)
    return {key: resolve(entry, physical_ids) for key, entry in value.items()}


def _called(function: str, argument: Any, physical_ids: Mapping[str, str]) -> object:
    match function:
        case "Ref":
            return _PSEUDO_PARAMETERS.get(argument) or physical_ids[argument]
        case "Fn::GetAtt":
            return _attribute(physical_ids[argument[0]], argument[1])
        case "Fn::Join":
            return _joined(argument[0], [resolve(part, physical_ids) for part in argument[1]])
        case "Fn::Sub":
            return re.sub(r"\$\{([\w:]+)\}", lambda found: resolve({"Ref": found[1]}, physical_ids), argument)
        case "Fn::Select":
            # Ours only ever choose an availability zone.
            return Like(pattern=f"{REGION}[a-z]")
    raise ValueError(f"{function} isn't known here")


def _attribute(physical_id: str, attribute: str) -> object:
    if attribute in _SAME_AS_REF:
        return physical_id
    if attribute == "Arn":
        return Like(pattern=f"arn:aws:.*{re.escape(physical_id)}(:\\*)?")
    if attribute == "Version":
        return Like(pattern=r"\d+")
    raise ValueError(f"the attribute {attribute} isn't known here")


def _joined(separator: str, parts: list[object]) -> object:
    if all(isinstance(part, str) for part in parts):
        return separator.join(str(part) for part in parts)
    patterns = (part.pattern if isinstance(part, Like) else re.escape(str(part)) for part in parts)
    return Like(pattern=re.escape(separator).join(patterns))

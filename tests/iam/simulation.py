"""What IAM would answer, by iam-simulate: all questions in one call of Node.js."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.infra.synthesis import ACCOUNT

_PROGRAM: Final = Path(__file__).with_name("simulate.mjs")
_ALLOWED: Final = "Allowed"
_DENIED: Final = frozenset({"ImplicitlyDenied", "ExplicitlyDenied"})

Statement = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whether statements allow a request.

    Args:
        statements: of the role's policies.
        action: as policies name it.
        resource: ARN, or `*` for actions that know none.
        context: condition keys of the request.
    """

    statements: Sequence[Statement]
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def allowed(questions: Sequence[Question], node: Path) -> list[bool]:
    """Return the answers, in order.

    Args:
        questions: may share their statements, which are then sent once.
        node: the Node.js launcher.

    Raises:
        AssertionError: a question makes no sense: an unknown action, or a resource that it isn't for.
    """
    policies: list[Sequence[Statement]] = []
    numbers: dict[int, int] = {}
    requests = []
    for each in questions:
        if id(each.statements) not in numbers:
            numbers[id(each.statements)] = len(policies)
            policies.append(each.statements)
        requests.append(
            {
                "policy": numbers[id(each.statements)],
                "action": each.action,
                "resource": each.resource,
                "account": ACCOUNT,
                "principal": f"arn:aws:sts::{ACCOUNT}:assumed-role/examined/session",
                "context": each.context,
            }
        )
    answered = subprocess.run(
        [str(node), str(_PROGRAM)],
        input=json.dumps({"policies": policies, "requests": requests}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answered.returncode == 0, answered.stderr
    answers = json.loads(answered.stdout)
    senseless = [
        f"{each.action} on {each.resource}: {answer}"
        for each, answer in zip(questions, answers, strict=True)
        if answer != _ALLOWED and answer not in _DENIED
    ]
    assert not senseless, "\n".join(senseless)
    return [answer == _ALLOWED for answer in answers]

"""The roles of a synthesised stack with all references put in, and the ARNs of what its pipeline consists of."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

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
from tests.iam.simulation import Statement
from tests.infra.synthesis import ACCOUNT, REGION, Template, make_stack, resources_of, settings_of, template_of

TASK_EXECUTION: Final = "task execution"
FLOW_LOG: Final = "flow log"
API_LOG: Final = "api log"
#: Where a construct is in the stack, which is its logical id without the hash, to the role it makes.
_ROLES: Final = {
    "ApiRole": API,
    "ApiCloudWatchRole": API_LOG,
    "ConsumerTaskTaskRole": CONSUMER,
    "ConsumerTaskExecutionRole": TASK_EXECUTION,
    "ConsumerStreamRole": STREAM_FUNCTION,
    "SweepRole": SWEEP_FUNCTION,
    "FeedbackSocketRole": SOCKET_FUNCTION,
    "FeedbackOutcomesNotifyRole": NOTIFY_FUNCTION,
    "NetworkVpcRefusedIAMRole": FLOW_LOG,
}
SECRET: Final = "kitchen/token"
_HASH_LENGTH: Final = 8
_PSEUDO_PARAMETERS: Final = {"AWS::Region": REGION, "AWS::Partition": "aws", "AWS::AccountId": ACCOUNT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One variant of the stack.

    Args:
        name: of the stack and all that is named after it.
        template: as CloudFormation gets it.
    """

    name: str
    template: Template

    @classmethod
    def synthesise(cls, consumer: str) -> "Deployment":
        """Synthesise a variant, with a secret, feedback and everything else as it is by default."""
        settings = settings_of(name="shop", consumer=consumer, secrets={"KITCHEN_TOKEN": SECRET}, feedback=True)
        return cls(name=settings.name, template=template_of(make_stack(settings)))

    def roles(self) -> dict[str, Sequence[Statement]]:
        """Return the statements of each role, one action on one resource each.

        Raises:
            KeyError: the stack has a role that nobody examines.
        """
        statements: dict[str, list[Statement]] = {}
        for logical_id, role in resources_of(self.template, "AWS::IAM::Role").items():
            own = statements.setdefault(_ROLES[logical_id[:-_HASH_LENGTH]], [])
            documents = [policy["PolicyDocument"] for policy in role.get("Policies", ())]
            documents += [
                policy["PolicyDocument"]
                for policy in resources_of(self.template, "AWS::IAM::Policy").values()
                if {"Ref": logical_id} in policy["Roles"]
            ]
            for document in documents:
                for statement in document["Statement"]:
                    own += self._atoms(statement)
        look, act = self._operators()
        return {role: tuple(own) for role, own in statements.items()} | {VIEWER: look, OPERATOR: (*look, *act)}

    def managed_policies(self) -> dict[str, Any]:
        """Return the policies of AWS's own that roles have, by role."""
        return {
            _ROLES[logical_id[:-_HASH_LENGTH]]: self._resolved(role["ManagedPolicyArns"])
            for logical_id, role in resources_of(self.template, "AWS::IAM::Role").items()
            if "ManagedPolicyArns" in role
        }

    def secrets_told(self) -> set[str]:
        """Return what a task or a function is told to fetch secrets by."""
        told = [
            secret["ValueFrom"]
            for task in resources_of(self.template, "AWS::ECS::TaskDefinition").values()
            for container in task["ContainerDefinitions"]
            for secret in container.get("Secrets", ())
        ]
        told += [
            value
            for function in resources_of(self.template, "AWS::Lambda::Function").values()
            for name, value in function["Environment"]["Variables"].items()
            if name.endswith("_ARN")
        ]
        return {str(self._resolved(each)) for each in told}

    def has(self, resource: str) -> bool:
        """Tell whether a part of the pipeline, as `arn` takes it, is in this variant."""
        if resource.startswith("@"):
            construct = resource[1:].partition("|")[0]
            return any(each[:-_HASH_LENGTH] == construct for each in self.template["Resources"])
        if resource.partition("/")[0] in {"leases", "coordination", "statistics"}:
            return bool(resources_of(self.template, "AWS::ECS::Service"))
        return True

    def arn(self, resource: str) -> str:
        """Return the ARN of a part of the pipeline, as the record names it; names of constructs begin with ``@``."""
        if resource == "*" or resource.startswith("arn:"):
            return resource
        if resource.startswith("@"):
            construct, _, rest = resource[1:].partition("|")
            (logical_id,) = [each for each in self.template["Resources"] if each[:-_HASH_LENGTH] == construct]
            return self._arn_of(logical_id).removesuffix(":*") + rest
        part, _, rest = resource.partition("/")
        tables = {
            "requests": f"{self.name}-requests",
            "journal": f"{self.name}-journal",
            "leases": self.name,
            "coordination": f"{self.name}-CoordinatorState",
            "statistics": f"{self.name}-WorkerMetricStats",
        }
        if part == "connections":
            return self.arn(f"@FeedbackConnectionsTable|{rest and '/' + rest}")
        if part == "websocket":
            (api_id,) = resources_of(self.template, "AWS::ApiGatewayV2::Api")
            return _service_arn("execute-api", f"{api_id}/v1/{rest}/@connections/one")
        if part == "stream":
            return _service_arn("kinesis", f"stream/{self.name}-requests")
        return _service_arn("dynamodb", f"table/{tables[part]}" + (f"/{rest}" if rest else ""))

    def _operators(self) -> tuple[Sequence[Statement], Sequence[Statement]]:
        """Return what the policies to look and to act hold; no role of the stack has them."""
        policies = resources_of(self.template, "AWS::IAM::ManagedPolicy")
        look, act = (
            policies[next(name for name in policies if f"Operators{kind}" in name)] for kind in ("Look", "Act")
        )
        assert not look.get("Roles")
        assert not act.get("Roles")
        documents = [policy["PolicyDocument"]["Statement"] for policy in (look, act)]
        first, second = (tuple(atom for each in document for atom in self._atoms(each)) for document in documents)
        return first, second

    def _atoms(self, statement: Mapping[str, Any]) -> list[Statement]:
        assert set(statement) <= {"Action", "Condition", "Effect", "Resource", "Sid"}, statement
        others = {key: self._resolved(statement[key]) for key in ("Condition", "Effect") if key in statement}
        return [
            {**others, "Action": action, "Resource": resource}
            for action in _listed(statement["Action"])
            for resource in _listed(self._resolved(statement["Resource"]))
        ]

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._resolved(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        if not value.keys().isdisjoint({"Ref", "Fn::GetAtt", "Fn::Join", "Fn::Sub"}):
            return self._text(value)
        assert not any(key.startswith("Fn::") for key in value), value
        return {key: self._resolved(entry) for key, entry in value.items()}

    def _text(self, reference: Mapping[str, Any]) -> str:
        match reference:
            case {"Ref": name}:
                return _PSEUDO_PARAMETERS.get(str(name), str(name))
            case {"Fn::GetAtt": [logical_id, "Arn"]}:
                return self._arn_of(logical_id)
            case {"Fn::Join": [separator, parts]}:
                return str(separator).join(self._resolved(part) for part in parts)
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}]*)\}", lambda found: _PSEUDO_PARAMETERS[found[1]], text)
        raise AssertionError(f"nobody knows what {reference} stands for")

    def _arn_of(self, logical_id: str) -> str:
        resource = self.template["Resources"][logical_id]
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::DynamoDB::Table":
                return _service_arn("dynamodb", f"table/{properties.get('TableName', logical_id)}")
            case "AWS::Kinesis::Stream":
                return _service_arn("kinesis", f"stream/{properties['Name']}")
            case "AWS::Logs::LogGroup":
                return _service_arn("logs", f"log-group:{logical_id}:*")
            case "AWS::Lambda::EventSourceMapping":
                return _service_arn("lambda", f"event-source-mapping:{logical_id}")
            case "AWS::S3::Bucket":
                return f"arn:aws:s3:::{logical_id.lower()}"
        raise AssertionError(f"no ARN is known for {resource['Type']}")


def _service_arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

"""Findings of the security review that stand on purpose, each at the resource it is about."""

from collections.abc import Mapping

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Let findings of the review stand, at the one resource that a construct is about.

    Args:
        construct: a resource, or what wraps one.
        reasons: the finding, as a failing synthesis names it, to why it stands.
    """
    resource = construct.node.default_child
    Validations.of(resource if resource is not None else construct).acknowledge(
        *(Acknowledgment(id=finding, reason=reason) for finding, reason in sorted(reasons.items()))
    )

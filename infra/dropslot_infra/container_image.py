"""The image that tasks run: built from the Dockerfile when one deploys, or one that a pipeline has pushed."""

import re
from pathlib import Path
from typing import Final

from aws_cdk import Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from constructs import Construct

_ECR: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?"
    r"/(?P<name>[a-z0-9._/-]+?)(?::(?P<tag>[\w.-]+)|@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def is_in_ecr(uri: str) -> bool:
    """Say whether an image is in a private repository of ECR, the one registry that a network without a way out has."""
    return _ECR.fullmatch(uri) is not None


def find_image(scope: Construct, *, directory: Path, uri: str) -> ecs.ContainerImage:
    """Return the image.

    Args:
        scope: the parent of what it refers to.
        directory: holds the Dockerfile.
        uri: of an image that is there already, built for ARM64; "" builds the Dockerfile. Tasks get the right to
            pull one from ECR; any other registry must let everybody pull.
    """
    if not uri:
        return ecs.ContainerImage.from_asset(str(directory), platform=ecr_assets.Platform.LINUX_ARM64)
    found = _ECR.fullmatch(uri)
    if found is None:
        return ecs.ContainerImage.from_registry(uri)
    repository = ecr.Repository.from_repository_attributes(
        scope,
        "Repository",
        repository_name=found["name"],
        repository_arn=(
            f"arn:{Stack.of(scope).partition}:ecr:{found['region']}:{found['account']}:repository/{found['name']}"
        ),
    )
    return ecs.ContainerImage.from_ecr_repository(repository, found["digest"] or found["tag"] or "latest")

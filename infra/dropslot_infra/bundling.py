"""Has CDK build the functions' asset on this machine, without Docker."""

from pathlib import Path
from typing import Any

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, ILocalBundling
from aws_cdk import aws_lambda as lambda_

from dropslot_infra.lambda_asset import LambdaAsset, Target


@jsii.implements(ILocalBundling)
class _Builder:
    def __init__(self, asset: LambdaAsset) -> None:
        self._asset = asset

    def try_bundle(self, output_dir: str, *_options: Any, **_named: Any) -> bool:
        # Never "try Docker instead": what fails here fails for a reason that the message tells.
        self._asset.build(Path(output_dir))
        return True


def lambda_code(*, project: Path, target: Target | None = None, with_app: bool = True) -> lambda_.Code:
    """Return the asset of the functions; it is built when one synthesises, and again only when its sources changed.

    Args:
        project: folder with `app/`, `consumer/`, `lambda/` and `requirements/`.
        target: where it is to run; Lambda's Python 3.13 on ARM64 if it isn't given.
        with_app: whether handlers are in it: functions that run none are spared what those need.
    """
    asset = LambdaAsset(project, target if target is not None else Target(), with_app=with_app)
    return lambda_.Code.from_asset(
        str(asset.entries),
        asset_hash_type=AssetHashType.CUSTOM,
        asset_hash=asset.fingerprint(),
        bundling=BundlingOptions(
            # Asked for by CDK, never used.
            image=DockerImage.from_registry("public.ecr.aws/sam/build-python3.13"),
            local=_Builder(asset),
        ),
    )

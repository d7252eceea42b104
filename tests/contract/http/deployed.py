"""The API's document as the CDK app deploys it."""

import json
from pathlib import Path

from dropslot_infra.settings import DeploymentSettings
from tests.infra.synthesis import ENVIRONMENTS, PROJECT, make_stack, only_resource_of, resolved, template_of


def write_document(folder: Path, **context: object) -> tuple[Path, str]:
    """Write the document that is deployed for `make smoke`.

    Args:
        folder: where to.
        context: settings that override the environment's.

    Returns:
        The document's path, and the name of the table in it.
    """
    settings = DeploymentSettings.load(
        ENVIRONMENTS / "contract.toml",
        project=PROJECT,
        context={f"dropslot:{name}": value for name, value in context.items()},
    )
    template = template_of(make_stack(settings))
    path = folder / "synthesised.json"
    path.write_text(json.dumps(resolved(only_resource_of(template, "AWS::ApiGateway::RestApi")["Body"], template)))
    return path, f"{settings.name}-requests"

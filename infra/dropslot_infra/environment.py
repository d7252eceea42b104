"""Finds the settings of the environment that the command line chose."""

from pathlib import Path
from typing import Final

from aws_cdk import App

from dropslot.core.errors import ConfigurationError
from dropslot_infra.settings import DeploymentSettings

#: `cdk deploy -c env=prod` chooses `infra/environments/prod.toml`.
CONTEXT: Final = "env"
DEFAULT: Final = "dev"


def chosen_settings(app: App, project: Path) -> DeploymentSettings:
    """Read the chosen environment's file, with what the command line overrides.

    Args:
        app: knows the command line's context.
        project: the folder that holds `infra/environments/`.

    Raises:
        SystemExit: the settings are wrong; it carries one line for each fault, and no traceback hides them.
    """
    chosen = app.node.try_get_context(CONTEXT)
    file = project / "infra" / "environments" / f"{chosen if chosen is not None else DEFAULT}.toml"
    try:
        return DeploymentSettings.load(file, project=project, context=app.node.get_all_context())
    except ConfigurationError as error:
        raise SystemExit("\n".join(error.faults)) from None

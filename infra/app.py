"""The CDK app: `npx cdk deploy -c env=dev` deploys what `infra/environments/dev.toml` says."""

from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from dropslot_infra.environment import chosen_settings
from dropslot_infra.stack import DropslotStack

project = Path(__file__).resolve().parents[1]
app = App()
settings = chosen_settings(app, project)
stack = DropslotStack(app, settings.name, settings=settings, project=project)
# What the handlers need besides goes here: some_bucket.grant_read(stack.handler_role)
Validations.of(app).add_plugins(AwsSolutionsChecks(app))
app.synth()

"""The stack of each variant, synthesised and reviewed once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

from dropslot_infra.settings import DeploymentSettings
from tests.infra.synthesis import ENVIRONMENTS, PROJECT, Template, make_app, make_stack

VARIANTS: Final[Mapping[str, tuple[str, Mapping[str, object]]]] = {
    "kcl": ("dev", {}),
    "kcl-private": ("prod", {"dropslot:alarm_email": "on-call@example.com", "dropslot:cors_origin": "*"}),
    "kcl-existing": (
        "dev",
        {
            "dropslot:network": "existing",
            "dropslot:vpc_id": "vpc-0a1b2c3d",
            "dropslot:vpc_subnet_ids": ["subnet-0a1b2c3d", "subnet-4e5f6a7b"],
            "dropslot:shards": "on-demand",
            "dropslot:tasks_max": 3,
            "dropslot:auth": "api_key",
            "dropslot:api_keys": ["till"],
            "dropslot:feedback": True,
            "dropslot:api_log_role": "account",
        },
    ),
    "lambda": (
        "dev",
        {"dropslot:consumer": "lambda", "dropslot:alarm_email": "on-call@example.com", "dropslot:feedback": "true"},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """What `cdk synth` leaves behind."""

    variant: str
    stack: str
    template_file: Path
    template: Template
    review: Mapping[str, Any]
    warnings: list[str]
    metadata: Mapping[str, list[dict[str, Any]]]


@pytest.fixture(scope="session", params=VARIANTS)
def assembly(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """Each variant's assembly; a finding of the review that nobody acknowledged fails right here."""
    environment, context = VARIANTS[request.param]
    settings = DeploymentSettings.load(ENVIRONMENTS / f"{environment}.toml", project=PROJECT, context=context)
    folder = tmp_path_factory.mktemp("assembly")
    app = make_app(folder)
    make_stack(settings, app)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    artifact = app.synth().get_stack_by_name(settings.name)
    reports = json.loads((folder / "validation-report.json").read_text())["pluginReports"]
    return Assembly(
        variant=request.param,
        stack=settings.name,
        template_file=Path(artifact.template_full_path),
        template=artifact.template,
        review=next(report for report in reports if report["pluginName"] == "AwsSolutions"),
        warnings=[violation["description"] for report in reports for violation in report["violations"]],
        metadata=json.loads((folder / f"{settings.name}.metadata.json").read_text()),
    )

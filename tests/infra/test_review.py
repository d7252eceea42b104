"""What the security review found and lets stand, and what the linter says of the templates."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from aws_cdk import App, Stack, Validations
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from tests.infra.conftest import Assembly
from tests.infra.synthesis import PROJECT

SNAPSHOT: Final = Path(__file__).with_name("acknowledged.json")


def test_each_acknowledgement_is_one_we_know(assembly: Assembly) -> None:
    """Given the findings that stand, then they are those of the snapshot, each at its resource and with a reason.

    A finding that is new on purpose goes into the snapshot by hand, where a review of the change sees it.
    """
    standing = {}
    for finding in assembly.review["suppressedViolations"]:
        place = finding["acknowledgedAt"].removeprefix(f"{assembly.stack}/")
        assert place == finding["violatingConstructs"][0]["constructPath"].removeprefix(f"{assembly.stack}/")
        assert finding["reason"]
        standing[f"{place}: {finding['ruleName']}"] = finding["reason"]
    assert standing == json.loads(SNAPSHOT.read_text())[assembly.variant]


def test_nothing_warns(assembly: Assembly) -> None:
    """Given a synthesised stack, then nothing is left that `cdk synth --strict` would stop at."""
    assert assembly.warnings == []


def test_no_acknowledgement_outlives_its_finding(assembly: Assembly) -> None:
    """Given all that is acknowledged, then each of it still lets some finding stand."""
    needed = {(f"/{f['acknowledgedAt']}", f["acknowledgedId"]) for f in assembly.review["suppressedViolations"]}
    given = {
        (path, rule)
        for path, entries in assembly.metadata.items()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for rule in entry["data"]
        # CDK acknowledges some rules of its own.
        if rule.startswith("AwsSolutions::")
    }
    assert given == needed


def test_the_review_can_fail() -> None:
    """Given a bucket that takes plain HTTP, when it is synthesised under review, then that fails."""
    app = App()
    s3.Bucket(Stack(app, "alone"), "Bucket")
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.raises(RuntimeError, match="AwsSolutions-S10"):
        app.synth()


def test_the_linter_finds_nothing(assembly: Assembly) -> None:
    """Given a template, then cfn-lint has nothing to say."""
    linter = Path(sys.executable).with_name("cfn-lint")
    linted = subprocess.run([linter, assembly.template_file], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")

"""`cdk synth` as `make synth` calls it: it takes no account, no network and no Docker."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from aws_cdk import App

from dropslot_infra.environment import chosen_settings
from tests.infra.synthesis import PROJECT

CDK = PROJECT / "node_modules" / ".bin" / "cdk"


def synth(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with nothing but this machine in reach."""
    if not CDK.exists():
        reason = "the CDK command line is missing: npm ci"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    nowhere = "http://127.0.0.1:9"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AWS_ENDPOINT_URL": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "CDK_DOCKER": str(folder / "no-docker"),
        # About the machine, not about the stack.
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18,20",
    }
    command = [str(CDK), "synth", "--strict", "--quiet", "--output", str(folder / "out"), *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def test_synthesis_says_nothing(tmp_path: Path) -> None:
    """Given no account, network or Docker, when the app is synthesised strictly, then it is, without a warning."""
    done = synth(tmp_path, "-c", "env=dev", "-c", "dropslot:shards=2")
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "", "")
    assert (tmp_path / "out" / "dropslot-dev.template.json").exists()


def test_a_stack_that_is_held_to_a_place_is_synthesised_without_asking(tmp_path: Path) -> None:
    """Given an account and a region, when the app is synthesised, then still nobody is asked about them."""
    place = ("-c", "dropslot:account=123456789012", "-c", "dropslot:region=eu-central-1")
    done = synth(tmp_path, "-c", "env=prod", *place)
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "", "")
    assert "missing" not in json.loads((tmp_path / "out" / "manifest.json").read_text())


def test_wrong_settings_stop_it() -> None:
    """Given wrong overrides, when the app reads its settings, then it ends with a line for each and no traceback."""
    app = App(context={"env": "dev", "dropslot:shards": "none", "dropslot:auht": "iam"})
    with pytest.raises(SystemExit) as caught:
        chosen_settings(app, PROJECT)
    shards, unknown = sorted(str(caught.value).splitlines(), reverse=True)
    assert shards.startswith("-c dropslot:shards: shards = 'none': expected a whole number")
    assert unknown.startswith("-c dropslot:auht: auht is not a setting; known are ")


def test_an_environment_is_chosen_by_name() -> None:
    """Given the name of an environment, then its file is read; given none, it is the one to try things with."""
    assert chosen_settings(App(context={"env": "prod"}), PROJECT).name == "dropslot-prod"
    assert chosen_settings(App(), PROJECT).name == "dropslot-dev"

"""The command that tries the HTTP contract on a deployed stack, on a gateway that wants every call signed."""

import os
import subprocess
from pathlib import Path

import pytest

from dropslot.local.clients import REGION, local_environment
from tests.contract.http.population import Population
from tests.contract.http.stack import Stack

PROJECT = Path(__file__).parents[3]
#: They send, read and look into the tables; the suite as a whole runs in its own right.
SELECTED = "accepted_at_once or proves_nothing or state_can_be_asked or steps_can_be_asked"


@pytest.mark.parametrize("stack", ["template"], indirect=True)
def test_the_command_signs(stack: Stack, population: Population) -> None:
    """Given credentials of the environment, the suite passes on an API that refuses what isn't signed with them."""
    environment = local_environment(
        os.environ, region=REGION, dynamodb_endpoint=stack.dynamodb.meta.endpoint_url, kinesis_endpoint=""
    )
    ran = subprocess.run(
        [
            # What is installed already runs these tests.
            *("make", "--assume-old=setup", "smoke", f"URL={stack.http.base_url}", f"TABLE={stack.table}"),
            *("AUTH=iam", f"CALLER={stack.caller}", f"TEST_ARGS=-p no:cacheprovider -k '{SELECTED}'"),
        ],
        cwd=PROJECT,
        env={
            **environment,
            "AWS_ACCESS_KEY_ID": population.mine.access_key,
            "AWS_SECRET_ACCESS_KEY": population.mine.secret_key,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # PUT, POST, who proves nothing, a read of every state, and of the steps of a given and of a generated id.
    assert "6 passed" in ran.stdout, ran.stdout

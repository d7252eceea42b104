"""An operator at a table of its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from dropslot.local.clients import dynamodb_client
from dropslot.operate.running import RunningStack, announced
from tests.conftest import FreshTable
from tests.integration.operate.aws import REGION
from tests.integration.operate.operator import Operator

GOLDEN: Final = Path(__file__).parents[2] / "golden" / "operate"
#: Set to write the kept transcripts anew.
RENEW: Final = "DROPSLOT_RENEW_TRANSCRIPTS"


@pytest.fixture
def compare() -> Callable[[str, str], None]:
    """Compare a transcript with the kept one of this name, or keep it."""

    def check(name: str, transcript: str) -> None:
        file = GOLDEN / f"{name}.txt"
        if os.environ.get(RENEW):
            file.write_text(transcript)
        assert file.read_text() == transcript

    return check


@pytest.fixture
def no_aws(work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and an environment without anything of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def on_aws(no_aws: None, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Credentials of an operator who has no local stack; a test says where AWS is."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def operator(fresh_table: FreshTable, no_aws: None, work_dir: Path) -> Iterator[Operator]:
    """An operator in a folder with a running stack."""
    stack = RunningStack(
        pid=os.getpid(),
        dynamodb_endpoint=fresh_table.endpoint,
        kinesis_endpoint="http://127.0.0.1:1",
        region="us-east-1",
        table=fresh_table.name,
        stream="requests",
        application=f"{fresh_table.name}-app",
        consumer="kcl",
        positions=None,
    )
    with announced(stack, work_dir), closing(dynamodb_client(fresh_table.endpoint)) as client:
        yield Operator(client=client, table=fresh_table.name)

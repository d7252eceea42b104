"""What the daemon is configured with."""

from collections.abc import Mapping

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.kcl.known_properties import known_properties
from dropslot.runtimes.kcl.properties import build_properties, render_properties
from dropslot.settings import Settings

COMMAND = ("/usr/bin/python3", "-m", "dropslot.runtimes.kcl.shard_process")


def build(
    overrides: str = "", environment: Mapping[str, str] | None = None, command: tuple[str, ...] = COMMAND
) -> dict[str, str]:
    """Build the properties of KCL 3.1.3 with some overrides."""
    settings = Settings.from_env({"DROPSLOT_KCL_PROPERTIES": overrides, "AWS_REGION": "eu-west-1"})
    return build_properties(settings, environment or {}, version="3.1.3", worker_id="worker", shard_command=command)


def test_all_names_exist() -> None:
    """The daemon would ignore a name that doesn't, in silence."""
    names = {name[0].lower() + name[1:] for name in build(environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})}
    assert names <= known_properties("3.1.3")


def test_settings_reach_the_daemon() -> None:
    """Names, region and the grace for a shutdown come from the settings."""
    properties = build()
    assert properties["streamName"] == "requests"
    assert properties["applicationName"] == "dropslot"
    assert properties["regionName"] == "eu-west-1"
    assert int(properties["shutdownGraceMillis"]) > 20_000
    assert properties["executableName"] == " ".join(COMMAND)
    assert "kinesisEndpoint" not in properties


def test_endpoints_follow_the_environment_as_boto3_does() -> None:
    """A service's own variable wins over the common one."""
    properties = build(
        environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_KINESIS": "http://127.0.0.1:2"}
    )
    assert properties["dynamoDBEndpoint"] == "http://127.0.0.1:1"
    assert properties["kinesisEndpoint"] == "http://127.0.0.1:2"


def test_overrides_win() -> None:
    """An operator can change what isn't reserved, also the provider in either spelling."""
    properties = build("maxRecords=10,metricsLevel=SUMMARY,AwsCredentialsProviderDynamoDB=X")
    assert properties["maxRecords"] == "10"
    assert properties["metricsLevel"] == "SUMMARY"
    assert properties["AwsCredentialsProviderDynamoDB"] == "X"


def test_unknown_name_is_refused_with_near_ones() -> None:
    """All faults come at once."""
    with pytest.raises(ConfigurationError) as caught:
        build("maxRecord=10,idleTimeBetweenReads=1,nonsense=1,workerId=x")
    record, idle, nonsense, worker = caught.value.faults
    assert "maxRecords" in record
    assert "idleTimeBetweenReadsInMillis" in idle
    assert "nonsense" in nonsense
    assert "workerId can't be overridden" in worker


@pytest.mark.parametrize(
    "name", ["executableName", "timeoutInSeconds", "callProcessRecordsEvenForEmptyRecordList", "streamName"]
)
def test_what_guarantees_rest_on_is_reserved(name: str) -> None:
    """No override may break a promise, or contradict a setting."""
    with pytest.raises(ConfigurationError, match="can't be overridden"):
        build(f"{name}=x")


def test_command_with_a_space_is_refused() -> None:
    """The daemon would split it there and start something else."""
    with pytest.raises(ConfigurationError, match="without spaces"):
        build(command=("/opt/my python/bin/python", "-m", "x"))


def test_values_are_escaped_as_java_reads_them() -> None:
    """Colons and equals signs end a name in Java, backslashes escape, and the file is ASCII."""
    assert render_properties({"a": "http://x:1/y=z", "b": "C:\\new", "c": " é\n"}) == (
        "a=http\\://x\\:1/y\\=z\nb=C\\:\\\\new\nc=\\ \\u00e9\\n\n"
    )

"""The daemon's configuration: its properties, as measured and reasoned in docs/decisions/0002."""

import difflib
import platform
from collections.abc import Mapping, Sequence
from typing import Final

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.kcl.known_properties import known_properties
from dropslot.settings import Settings

#: What else the guarantees rest on, or another setting decides: the reason why it can't be overridden.
_RESERVED: Final[Mapping[str, str]] = {
    "applicationName": "set DROPSLOT_APPLICATION",
    "streamName": "set DROPSLOT_STREAM",
    "regionName": "set AWS_REGION",
    "shutdownGraceMillis": "set DROPSLOT_SHUTDOWN_GRACE_SECONDS",
    "executableName": "the daemon must start Dropslot's shard process",
    "workerId": "it is kept in the state folder, so that a restarted daemon takes its own leases back at once",
    "workerIdentifier": "it is kept in the state folder, so that a restarted daemon takes its own leases back at once",
    "callProcessRecordsEvenForEmptyRecordList": "checkpoints move on idle ticks",
    "timeoutInSeconds": "it halts the JVM while a handler works",
}
#: Above the grace of the shard processes, so that their last checkpoint gets through.
_SHUTDOWN_MARGIN_SECONDS: Final = 3.0


def shutdown_limit_seconds(settings: Settings) -> float:
    """Return how long the daemon waits for its shard processes when it stops."""
    return settings.shutdown_grace_seconds + _SHUTDOWN_MARGIN_SECONDS


def endpoint(environment: Mapping[str, str], service: str) -> str | None:
    """Return the address that the environment names for a service (KINESIS, DYNAMODB), by boto3's rules."""
    return environment.get(f"AWS_ENDPOINT_URL_{service}") or environment.get("AWS_ENDPOINT_URL") or None


def build_properties(
    settings: Settings,
    environment: Mapping[str, str],
    *,
    version: str,
    worker_id: str,
    shard_command: Sequence[str],
) -> dict[str, str]:
    """Make the daemon's properties.

    Args:
        settings: `kcl_properties` in it override ours.
        environment: `AWS_ENDPOINT_URL_KINESIS` and `AWS_ENDPOINT_URL_DYNAMODB`, or `AWS_ENDPOINT_URL` for both, point
            the daemon at other servers, as they do boto3.
        version: of KCL, decides which names exist.
        worker_id: name of this worker in the lease table; no other running worker may have it.
        shard_command: what the daemon starts per lease.

    Raises:
        ConfigurationError: for each override that has an unknown or a reserved name, and for a command that the
            daemon would tear apart.
    """
    faults = _faults(settings.kcl_properties, version)
    if any(" " in part for part in shard_command):
        faults.append(
            f"the daemon splits its command at spaces, so {' '.join(shard_command)!r} can't be started: "
            "install Python in a folder without spaces in its path"
        )
    if faults:
        raise ConfigurationError(*faults)
    endpoints = {
        "kinesisEndpoint": endpoint(environment, "KINESIS"),
        "dynamoDBEndpoint": endpoint(environment, "DYNAMODB"),
    }
    return {
        "executableName": " ".join(shard_command),
        "processingLanguage": f"python/{platform.python_version()}",
        "applicationName": settings.application,
        "streamName": settings.stream,
        "regionName": settings.region,
        "workerId": worker_id,
        "AwsCredentialsProvider": "DefaultCredentialsProvider",
        "initialPositionInStream": "TRIM_HORIZON",
        # Enhanced fan-out, the default, costs per consumer and hour and brings little to one consumer.
        "retrievalMode": "POLLING",
        "idleTimeBetweenReadsInMillis": "250",
        "maxRecords": "1000",
        # The idle tick: only while a message is open can a checkpoint be made.
        "callProcessRecordsEvenForEmptyRecordList": "true",
        "shutdownGraceMillis": str(round(shutdown_limit_seconds(settings) * 1000)),
        "skipShardSyncAtWorkerInitializationIfLeasesExist": "true",
        "shardSyncIntervalMillis": "1000",
        "parentShardPollIntervalMillis": "1000",
        "schedulerInitializationBackoffTimeMillis": "500",
        "failoverTimeMillis": "10000",
        "leaseAssignmentIntervalMillis": "2000",
        "metricsLevel": "NONE",
        **{name: url for name, url in endpoints.items() if url},
        **settings.kcl_properties,
    }


def render_properties(properties: Mapping[str, str]) -> str:
    """Write properties as java.util.Properties reads them."""
    return "".join(f"{_escape(name)}={_escape(value)}\n" for name, value in properties.items())


def _faults(overrides: Mapping[str, str], version: str) -> list[str]:
    known = known_properties(version)
    faults: list[str] = []
    for name in overrides:
        # The daemon itself accepts the provider's name in any case.
        canonical = "awsCredentialsProvider" + name[22:] if name.lower().startswith("awscredentialsprovider") else name
        if canonical in _RESERVED:
            faults.append(f"DROPSLOT_KCL_PROPERTIES: {name} can't be overridden: {_RESERVED[canonical]}")
        elif canonical not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            faults.append(f"DROPSLOT_KCL_PROPERTIES: KCL {version} has no property {name}{hint}")
    return faults


def _escape(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    for special in "=:#!":
        escaped = escaped.replace(special, "\\" + special)
    if escaped.startswith(" "):
        escaped = "\\" + escaped
    return "".join(char if " " <= char <= "~" or char == "\t" else _unicode_escape(char) for char in escaped)


def _unicode_escape(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))

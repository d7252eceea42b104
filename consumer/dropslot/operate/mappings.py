"""The event source mapping that feeds the Lambda consumer: found among those of the stream, disabled and enabled."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.core import mapping as ours
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.target import Target
from dropslot.operate.trouble import explain

#: A mapping that is just being made or changed takes no other change meanwhile.
_TRIES: Final = 30
_WAIT_SECONDS: Final = 2.0
#: States that need no call, by what is wanted: as it should be, or on the way there.
_THERE: Final = {True: frozenset({"Enabled", "Enabling"}), False: frozenset({"Disabled", "Disabling"})}
_DELETING: Final = "Deleting"


def stream_arn(target: Target) -> str:
    """Return the ARN of a pipeline's stream, by that of its table."""
    partition, _, region, account = target.table_arn.split(":")[1:5]
    return f"arn:{partition}:kinesis:{region}:{account}:stream/{target.stream}"


def function_name(mapping: dict[str, Any]) -> str:
    """Return the name of the function that a mapping feeds, without its alias."""
    arn: str = mapping["FunctionArn"]
    return arn.split(":function:")[1].partition(":")[0]


def consumer_mappings(target: Target) -> list[dict[str, Any]]:
    """Return the mappings of the stream whose function runs requests; empty where no function does.

    Raises:
        OutOfReachError: Lambda can't be asked.
    """
    client = target.client("lambda")
    found: list[dict[str, Any]] = []
    marker: dict[str, str] = {}
    try:
        while True:
            answer = client.list_event_source_mappings(EventSourceArn=stream_arn(target), **marker)
            found += answer["EventSourceMappings"]
            if not answer.get("NextMarker"):
                break
            marker = {"Marker": answer["NextMarker"]}
    except (ClientError, BotoCoreError) as error:
        raise explain(error, service="Lambda", where=f"mappings of stream {target.stream}") from error
    return [mapping for mapping in found if _is_ours(mapping)]


def switch_mappings(target: Target, *, enabled: bool, wait: Callable[[float], None] = time.sleep) -> dict[str, str]:
    """Enable or disable what feeds the consumer; AWS carries that out within minutes.

    Args:
        target: the pipeline, on AWS.
        enabled: whether the function is to get records.
        wait: waits so many seconds.

    Returns:
        State of the mapping by function; empty where no function runs requests.

    Raises:
        OutOfReachError: Lambda can't be told, or somebody else keeps changing the mapping.
    """
    client = target.client("lambda")
    return {
        function_name(mapping): _switch(client, mapping, enabled=enabled, wait=wait)
        for mapping in consumer_mappings(target)
        if mapping["State"] != _DELETING
    }


def _is_ours(mapping: dict[str, Any]) -> bool:
    """Tell the consumer's mapping from others of the stream, which a pause must not stop: feedback's, or a user's."""
    reports = ours.RESPONSE_TYPE in mapping.get("FunctionResponseTypes", [])
    patterns = [entry["Pattern"] for entry in mapping.get("FilterCriteria", {}).get("Filters", [])]
    return reports and _unordered(map(json.loads, patterns)) == _OURS


def _unordered(filters: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return filters so that equal ones compare equal, in whatever order and spacing they are written."""
    return sorted(json.dumps(one, sort_keys=True) for one in filters)


_OURS: Final = _unordered(ours.FILTERS)


def _switch(client: Any, mapping: dict[str, Any], *, enabled: bool, wait: Callable[[float], None]) -> str:
    state: str = mapping["State"]
    uuid: str = mapping["UUID"]
    if state in _THERE[enabled]:
        return state
    for _ in range(_TRIES):
        try:
            state = client.update_event_source_mapping(UUID=uuid, Enabled=enabled)["State"]
        except client.exceptions.ResourceInUseException:
            wait(_WAIT_SECONDS)
        except client.exceptions.ResourceNotFoundException:
            return "Deleted"
        except (ClientError, BotoCoreError) as error:
            raise explain(error, service="Lambda", where=f"mapping {uuid}") from error
        else:
            return state
    raise OutOfReachError(
        f"mapping {uuid} takes no change, since {state.lower()} isn't over after {_TRIES * _WAIT_SECONDS:g} s: "
        "run the command again"
    )

"""Stops the running of handlers, and starts it again, without touching the way in."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.adapters.requests.rows import attribute
from dropslot.core import names
from dropslot.operate.mappings import switch_mappings
from dropslot.operate.moments import format_moment
from dropslot.operate.requests import open_table
from dropslot.operate.screen import Screen
from dropslot.operate.target import Target
from dropslot.operate.trouble import explain

_TOLD: Final = (
    "consumers heed it within 10 s; what runs then has the grace of a shutdown to end. Requests are still accepted. "
    "dropslot resume ends it"
)
#: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html: polling stops and starts within minutes of an update.
_FUNCTION_TOLD: Final = (
    "its function gets nothing more within minutes; a batch under way ends. Requests are still accepted. "
    "dropslot resume ends it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause.

    Args:
        since_ms: epoch milliseconds.
        reason: as the operator gave it; "" without one.
    """

    since_ms: int
    reason: str

    def __str__(self) -> str:
        """Tell of it in a few words."""
        return f"paused since {format_moment(self.since_ms)}" + (f": {self.reason}" if self.reason else "")


def current_pause(target: Target) -> Pause | None:
    """Return the pause that there is, if any.

    Raises:
        OutOfReachError: the table can't be asked.
    """
    item = open_table(target).items([names.CONTROL_ID]).get(names.CONTROL_ID)
    if item is None or names.PAUSED_AT not in item:
        return None
    return Pause(since_ms=int(item[names.PAUSED_AT]["N"]), reason=item.get(names.REASON, {}).get("S", ""))


def pause(target: Target, screen: Screen, *, reason: str) -> None:
    """Have all consumers of the table run nothing; a pause that there is already stays as it is.

    Raises:
        OutOfReachError: the table, or the mapping of the Lambda consumer, can't be told.
    """
    ours = Pause(since_ms=time.time_ns() // 1_000_000, reason=reason)
    item: dict[str, str | int] = {names.ID: names.CONTROL_ID, names.PAUSED_AT: ours.since_ms, names.REASON: reason}
    client = target.dynamodb()
    # First what may be denied: then nothing has changed. Told again, too: an earlier pause may have been cut short.
    states = _enable_functions(target, enabled=False)
    try:
        client.put_item(
            TableName=target.table,
            Item={name: attribute(value) for name, value in item.items() if value != ""},
            ConditionExpression="attribute_not_exists(#id)",
            ExpressionAttributeNames={"#id": names.ID},
        )
    except client.exceptions.ConditionalCheckFailedException:
        pass
    except (ClientError, BotoCoreError) as error:
        raise explain(error, service="DynamoDB", where=target.where) from error
    _report(screen, current_pause(target) or ours, states)


def resume(target: Target, screen: Screen) -> None:
    """Have the consumers run requests again, from where they stopped.

    Raises:
        OutOfReachError: the table, or the mapping of the Lambda consumer, can't be told.
    """
    before = current_pause(target)
    states = _enable_functions(target, enabled=True)
    try:
        target.dynamodb().delete_item(TableName=target.table, Key={names.ID: attribute(names.CONTROL_ID)})
    except (ClientError, BotoCoreError) as error:
        raise explain(error, service="DynamoDB", where=target.where) from error
    if screen.as_json:
        screen.json({"paused": False})
    _tell_states(screen, states)
    soon = "minutes" if states else "half a minute"
    screen.say(f"consumers go on within {soon}" if before is not None else "there was no pause")


def _report(screen: Screen, pause: Pause, states: Mapping[str, str]) -> None:
    if screen.as_json:
        report: Mapping[str, Any] = {"paused": True, "since": pause.since_ms, "reason": pause.reason or None}
        screen.json(report)
    screen.say(str(pause))
    _tell_states(screen, states)
    screen.say(_FUNCTION_TOLD if states else _TOLD)


def _tell_states(screen: Screen, states: Mapping[str, str]) -> None:
    for function, state in states.items():
        screen.say(f"the mapping of function {function} is {state.lower()}")


def _enable_functions(target: Target, *, enabled: bool) -> Mapping[str, str]:
    """Switch the mapping that hands records to the Lambda consumer; return its state by function, {} without one."""
    running = target.running
    if running is None:
        return switch_mappings(target, enabled=enabled)
    if running.mapping_disabled is not None:
        # The local one heeds the file at once.
        file = Path(running.mapping_disabled)
        if enabled:
            file.unlink(missing_ok=True)
        else:
            file.touch()
    return {}

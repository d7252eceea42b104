"""`dropslot requests`: look at requests, count, export and delete them."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from dropslot.core import names
from dropslot.core.errors import ConfigurationError
from dropslot.operate.commands.options import (
    TAKES_IDS,
    AsJson,
    Caller,
    LocalOrAws,
    Profile,
    Region,
    Stack,
    Type,
    Yes,
    chosen,
    confirm,
    operating,
)
from dropslot.operate.exit_codes import NOT_DONE
from dropslot.operate.item_id import resolve
from dropslot.operate.moments import parse_moment
from dropslot.operate.screen import Screen, pluralised

if TYPE_CHECKING:
    from dropslot.operate.selection import Selection

app = typer.Typer(help="Look at requests, count, export and delete them.", no_args_is_help=True)

Status = Annotated[
    list[str] | None, typer.Option("--status", help="pending, waiting or failed; can be repeated. [default: all three]")
]
OlderThan = Annotated[
    str | None, typer.Option(help="Only what was accepted before: 90m, 6h, 2d ago, or 2026-11-24T03:00Z.")
]
NewerThan = Annotated[str | None, typer.Option(help="Only what was accepted since then.")]
Ids = Annotated[list[str], typer.Argument(help="Ids as clients know them, with --type, or as `list` shows them.")]


@app.command("list")
def list_requests(
    status: Status = None,
    type_name: Type = None,
    caller: Annotated[str | None, typer.Option(help="Only requests of this caller.")] = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    local: LocalOrAws = None,
    profile: Profile = None,
    region: Region = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """List unsettled and failed requests, oldest first. Done ones are in no index: `show` finds one by its id.

    Example: dropslot requests list --status failed --type orders --older-than 1h
    """
    from dropslot.operate.requests import list_unfinished  # noqa: PLC0415 - `dropslot --help` needs no SDK

    screen = Screen(as_json=as_json)
    statuses, selection = _statuses(status, scan=False), _selection(type_name, caller, older_than, newer_than)
    with operating(chosen(local, profile, region, stack), screen) as target:
        list_unfinished(target, screen, statuses=statuses, selection=selection, limit=limit)


@app.command(context_settings=TAKES_IDS)
def show(
    request_id: Annotated[str, typer.Argument(help="Id as its client knows it, with --type, or as `list` shows it.")],
    type_name: Annotated[str | None, typer.Option("--type", help="The type it came in by.")] = None,
    caller: Caller = None,
    body: Annotated[bool, typer.Option("--body", help="Also what the client sent and the handler returned.")] = False,
    local: LocalOrAws = None,
    profile: Profile = None,
    region: Region = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show one request, whatever its status. Exit code 1 if there is none.

    Example: dropslot requests show order-1 --type orders
    """
    from dropslot.operate.requests import show_request  # noqa: PLC0415 - `dropslot --help` needs no SDK

    screen = Screen(as_json=as_json)
    key = resolve(request_id, type_name=type_name, caller=caller)
    with operating(chosen(local, profile, region, stack), screen) as target:
        if not show_request(target, screen, key=key, body=body):
            raise typer.Exit(NOT_DONE)


@app.command()
def count(
    status: Status = None,
    type_name: Type = None,
    caller: Annotated[str | None, typer.Option(help="Only requests of this caller.")] = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    scan: Annotated[
        bool, typer.Option("--scan", help="Also the done ones: reads the whole table, which costs money.")
    ] = False,
    local: LocalOrAws = None,
    profile: Profile = None,
    region: Region = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Count requests by status and type. All of the chosen statuses is read, and paid for.

    Example: dropslot requests count --status waiting --older-than 1h
    """
    from dropslot.operate.requests import count_requests  # noqa: PLC0415 - `dropslot --help` needs no SDK

    screen = Screen(as_json=as_json)
    statuses, selection = _statuses(status, scan=scan), _selection(type_name, caller, older_than, newer_than)
    with operating(chosen(local, profile, region, stack), screen) as target:
        count_requests(target, screen, statuses=statuses, selection=selection, scan=scan)


@app.command()
def export(
    status: Status = None,
    type_name: Type = None,
    caller: Annotated[str | None, typer.Option(help="Only requests of this caller.")] = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    payload: Annotated[bool, typer.Option("--payload", help="Also what clients sent and handlers returned.")] = False,
    scan: Annotated[
        bool, typer.Option("--scan", help="Also the done ones: reads the whole table, which costs money.")
    ] = False,
    local: LocalOrAws = None,
    profile: Profile = None,
    region: Region = None,
    stack: Stack = None,
    as_json: Annotated[bool, typer.Option("--json", help="It is JSON in any case.", show_default=False)] = True,
) -> None:
    """Print unsettled and failed requests as JSON, one a line.

    Example: dropslot requests export --status failed --payload > failed.jsonl
    """
    from dropslot.operate.requests import export_requests  # noqa: PLC0415 - `dropslot --help` needs no SDK

    screen = Screen(as_json=as_json)
    statuses, selection = _statuses(status, scan=scan), _selection(type_name, caller, older_than, newer_than)
    with operating(chosen(local, profile, region, stack), screen) as target:
        export_requests(target, screen, statuses=statuses, selection=selection, payload=payload, scan=scan)


@app.command(context_settings=TAKES_IDS)
def delete(
    request_ids: Ids,
    type_name: Annotated[str | None, typer.Option("--type", help="The type they came in by.")] = None,
    caller: Caller = None,
    yes: Yes = False,
    local: LocalOrAws = None,
    profile: Profile = None,
    region: Region = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Delete requests and the journal of their steps, for people who ask to be forgotten.

    Copies stay where they can't be taken out: in the stream for its retention, in backups, in batches given up by the
    Lambda consumer. Exit code 1 if one wasn't there.

    Example: dropslot requests delete order-1 order-2 --type orders
    """
    from dropslot.operate.deletion import delete_requests, find  # noqa: PLC0415 - `dropslot --help` needs no SDK

    screen = Screen(as_json=as_json)
    keys = [resolve(text, type_name=type_name, caller=caller) for text in request_ids]
    with operating(chosen(local, profile, region, stack), screen) as target:
        rows = find(target, screen, keys)
        if rows:
            confirm(f"Delete {pluralised(len(rows), 'request')} of {target.where}?", yes=yes, screen=screen)
        if not delete_requests(target, screen, rows, asked=len(set(keys))):
            raise typer.Exit(NOT_DONE)


def _statuses(given: list[str] | None, *, scan: bool) -> tuple[str, ...]:
    if scan and given:
        raise ConfigurationError("--scan reads requests of every status: leave --status out")
    known = (names.PENDING, names.WAITING, names.FAILED)
    for status in given or ():
        if status not in known:
            hint = "; done ones are in no index: requests show, or export --scan" if status == names.DONE else ""
            raise ConfigurationError(f"--status {status}: it is one of {', '.join(known)}{hint}")
    return tuple(dict.fromkeys(given)) if given else known


def _selection(
    type_name: str | None, caller: str | None, older_than: str | None, newer_than: str | None
) -> "Selection":
    from dropslot.operate.selection import Selection  # noqa: PLC0415 - `dropslot --help` needs no SDK

    now_ms = time.time_ns() // 1_000_000
    try:
        return Selection(
            type=type_name,
            caller=caller,
            accepted_until_ms=parse_moment(older_than, now_ms=now_ms) if older_than is not None else None,
            accepted_from_ms=parse_moment(newer_than, now_ms=now_ms) if newer_than is not None else None,
        )
    except ValueError as wrong:
        raise ConfigurationError(str(wrong)) from None

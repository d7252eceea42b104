"""`dropslot replay`: what the stream, or the failure destination, still holds is read again."""

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dropslot.core.errors import ConfigurationError
from dropslot.operate.commands.options import (
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
from dropslot.operate.screen import Screen

if TYPE_CHECKING:
    from dropslot.operate.replay.order import Order

_OLDEST: Final = "trim-horizon"
_NOW: Final = "now"


class Event(StrEnum):
    """What a change record can be of."""

    INSERT = "INSERT"
    MODIFY = "MODIFY"
    REMOVE = "REMOVE"


def replay(
    start: Annotated[
        str,
        typer.Option(
            "--from",
            help="trim-horizon (the oldest record), 90m, 6h or 2d ago, 2026-11-24T03:00Z, or a sequence number.",
        ),
    ] = _OLDEST,
    end: Annotated[str, typer.Option("--to", help="now, or as --from.")] = _NOW,
    shard: Annotated[
        str | None, typer.Option(help="Only this shard. [default: all, closed ones included, parents first]")
    ] = None,
    failures: Annotated[
        str | None,
        typer.Option(help="Read documents of what Lambda gave up instead: a file, a folder, or s3://bucket/prefix."),
    ] = None,
    type_name: Type = None,
    event: Annotated[list[Event] | None, typer.Option(help="Only records of this kind; can be repeated.")] = None,
    request_id: Annotated[
        list[str] | None,
        typer.Option("--id", help="Only this request, as `requests list` shows it, or with --type; can be repeated."),
    ] = None,
    caller: Caller = None,
    failed: Annotated[bool, typer.Option("--failed", help="Also run failed requests again.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also run done requests again, and restore those that are gone.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how each record's request stands.")] = False,
    rate: Annotated[float, typer.Option(min=0.1, max=10_000, help="Redrive at most so many a second.")] = 100.0,
    grace: Annotated[
        float,
        typer.Option(min=0, help="Seconds past its time after which a pending request is overdue: the sweep's grace."),
    ] = 300.0,
    progress: Annotated[
        Path | None, typer.Option(help="File that tells how far it is. [default: .dropslot/replay.jsonl]")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, whatever that file tells.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where that file tells, also if it was stopped over an hour ago.")
    ] = False,
    yes: Yes = False,
    local: LocalOrAws = None,
    profile: Profile = None,
    region: Region = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Read change records again, and redrive the requests that need it: without more options the unsettled and overdue.

    Every record is in one class, and only what is still as it was seen is redriven. After Ctrl-C the same command goes
    on where it was. Exit code 1 if something was not redriven, or could not be read.

    Example: dropslot replay --from 6h --dry-run
    """
    from dropslot.operate.replay.run import replay as run  # noqa: PLC0415 - `dropslot --help` needs no SDK

    screen = Screen(as_json=as_json)
    ids = frozenset(resolve(text, type_name=type_name, caller=caller) for text in request_id or ())
    order = _order(
        start=start,
        end=end,
        shard=shard,
        failures=failures,
        type_name=type_name,
        events=frozenset(one.value for one in event or ()),
        ids=ids,
        failed=failed,
        force=force,
        dry_run=dry_run,
        yes=yes,
        rate=rate,
        grace=grace,
        progress=progress,
        restart=restart,
        resume=resume,
    )
    with operating(chosen(local, profile, region, stack), screen) as target:
        whole = run(target, screen, order, ask=lambda asked: confirm(asked, yes=yes, screen=screen))
        if not whole:
            raise typer.Exit(NOT_DONE)


def _order(
    *,
    start: str,
    end: str,
    shard: str | None,
    failures: str | None,
    type_name: str | None,
    events: frozenset[str],
    ids: frozenset[str],
    failed: bool,
    force: bool,
    dry_run: bool,
    yes: bool,
    rate: float,
    grace: float,
    progress: Path | None,
    restart: bool,
    resume: bool,
) -> "Order":
    from dropslot.operate.replay.filters import Filters  # noqa: PLC0415 - `dropslot --help` needs no SDK
    from dropslot.operate.replay.ledger_file import FILE  # noqa: PLC0415 - as above
    from dropslot.operate.replay.order import Order  # noqa: PLC0415 - as above
    from dropslot.operate.replay.position import parse_span  # noqa: PLC0415 - as above

    if failures is not None and (shard is not None or start != _OLDEST or end != _NOW):
        raise ConfigurationError("--failures goes without --from, --to and --shard: narrow it by folder or prefix")
    if restart and resume:
        raise ConfigurationError("--restart begins anew, --resume goes on: give one of them")
    span = parse_span(start, end, now_ms=time.time_ns() // 1_000_000)
    if shard is None and (span.start.sequence_number is not None or span.end.sequence_number is not None):
        raise ConfigurationError("a sequence number is a place in one shard: give --shard, too")
    command = {
        "--from": start,
        "--to": end,
        "--shard": shard or "",
        "--failures": failures or "",
        "--type": type_name or "",
        "--event": " ".join(sorted(events)),
        "--id": " ".join(sorted(ids)),
        "--failed": str(failed),
        "--force": str(force),
    }
    return Order(
        command=command,
        span=span,
        shard=shard,
        failures=failures,
        filters=Filters(type=type_name, events=events, ids=ids),
        failed=failed,
        force=force,
        dry_run=dry_run,
        yes=yes,
        per_second=rate,
        grace_ms=round(grace * 1000),
        progress=progress if progress is not None else FILE,
        restart=restart,
        resume=resume,
    )

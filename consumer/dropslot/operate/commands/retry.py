"""`dropslot retry`: failed requests run again."""

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from dropslot.core.errors import ConfigurationError
from dropslot.operate.commands.options import (
    AsJson,
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
    from dropslot.operate.retrying import Failed
    from dropslot.operate.selection import ErrorPattern


def retry(
    request_ids: Annotated[
        list[str] | None,
        typer.Argument(help="Ids as clients know them, with --type, or as `requests list` shows them."),
    ] = None,
    error: Annotated[
        str | None, typer.Option(help="Those whose error contains this text; * in it stands for anything.")
    ] = None,
    error_regex: Annotated[
        str | None, typer.Option(help="Those in whose error this regular expression is found.")
    ] = None,
    type_name: Type = None,
    caller: Annotated[str | None, typer.Option(help="Only requests of this caller, as their ids begin.")] = None,
    failed_since: Annotated[
        str | None, typer.Option(help="Those that failed since then: 90m, 6h, 2d ago, or 2026-11-24T03:00Z.")
    ] = None,
    failed_until: Annotated[str | None, typer.Option(help="Those that failed until then. [default: now]")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All failed requests.")] = False,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Of those with steps that couldn't be undone: undo these, and run nothing anew."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them, by error.")] = False,
    rate: Annotated[float, typer.Option(min=0.1, max=10_000, help="At most so many a second.")] = 100.0,
    yes: Yes = False,
    local: LocalOrAws = None,
    profile: Profile = None,
    region: Region = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Have failed requests run again, with a fresh retry schedule. Options together narrow the choice.

    One with steps that couldn't be undone has these undone first, then runs anew; with --undo it only has them undone.
    Nothing but failed requests is touched, and none that changed since it was looked at. After Ctrl-C what is done is
    done: run it again to go on. Exit code 1 if one of them was not redriven.

    Example: dropslot retry --error "KitchenClosed: *" --failed-since 6h --dry-run
    """
    from dropslot.operate.retrying import Named, Selected, redrive_failed, survey  # noqa: PLC0415 - needs the SDK
    from dropslot.operate.selection import Selection  # noqa: PLC0415 - as above
    from dropslot.operate.undoing import not_undone  # noqa: PLC0415 - as above

    criteria = (error, error_regex, type_name if not request_ids else None, failed_since, failed_until)
    if request_ids and (everything or any(value is not None for value in criteria)):
        raise ConfigurationError("ids go without --all, --error, --error-regex, --failed-since and --failed-until")
    if not request_ids and not everything and all(value is None for value in (*criteria, caller)):
        raise ConfigurationError(
            "say which: ids, --error, --error-regex, --type, --failed-since, --failed-until, or --all"
        )
    screen = Screen(as_json=as_json)
    keys = [resolve(text, type_name=type_name, caller=caller) for text in request_ids or ()]
    now_ms = time.time_ns() // 1_000_000
    selection = Selection(type=type_name, caller=caller, error=_pattern(error, error_regex), not_undone=undo)
    since, until = (_moment(text, now_ms) for text in (failed_since, failed_until))
    with operating(chosen(local, profile, region, stack), screen) as target, ExitStack() as opened:
        failed: Failed = (
            Named(target, screen, keys)
            if keys
            else Selected(
                target=target,
                selection=selection,
                failed_from_ms=since,
                failed_until_ms=min(until, now_ms) if until is not None else now_ms,
            )
        )
        if undo:
            failed = opened.enter_context(not_undone(target, failed))
        total: int | None = None
        if dry_run or not yes:
            total = survey(failed, screen if dry_run else screen.before_results())
            if dry_run:
                return
            if total:
                confirm(_question(total, target.where, undo=undo), yes=yes, screen=screen)
        if not redrive_failed(target, failed, screen, per_second=rate, total=total):
            raise typer.Exit(NOT_DONE)


def _question(total: int, where: str, *, undo: bool) -> str:
    if undo:
        return f"Have the steps of {pluralised(total, 'failed request')} of {where} undone?"
    return f"Redrive {pluralised(total, 'failed request')} of {where}?"


def _pattern(error: str | None, error_regex: str | None) -> "ErrorPattern | None":
    from dropslot.operate.selection import ErrorPattern  # noqa: PLC0415 - needs the SDK

    if error is not None and error_regex is not None:
        raise ConfigurationError("give --error or --error-regex, not both")
    if "" in {error, error_regex}:  # a variable of a script that isn't set, say
        raise ConfigurationError("an empty error matches every one: --all says so")
    if error is not None:
        return ErrorPattern.of_text(error)
    return ErrorPattern.of_regex(error_regex) if error_regex is not None else None


def _moment(text: str | None, now_ms: int) -> int | None:
    try:
        return parse_moment(text, now_ms=now_ms) if text is not None else None
    except ValueError as wrong:
        raise ConfigurationError(str(wrong)) from None

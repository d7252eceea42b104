"""`dropslot replay` as a whole: what is read, what is asked, what is done, and what is told of it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import Any, Final

from dropslot.adapters.clock import SystemClock
from dropslot.adapters.requests.dynamodb import DynamoDBRequests
from dropslot.adapters.wire.sdk import Boto3Calls
from dropslot.engine.backoff import Backoff
from dropslot.operate.redrive import Fate, Redriver
from dropslot.operate.replay.acting import Actions
from dropslot.operate.replay.carrier import Carrier, Tell
from dropslot.operate.replay.documents import DocumentSource
from dropslot.operate.replay.ledger import Header, Ledger
from dropslot.operate.replay.ledger_file import kept
from dropslot.operate.replay.order import Order
from dropslot.operate.replay.position import Position, Span
from dropslot.operate.replay.progress import Meter, metered
from dropslot.operate.replay.reading import Reader
from dropslot.operate.replay.report import (
    question,
    tell_acted,
    tell_classes,
    tell_fates,
    tell_gone,
    tell_nobody,
    tell_summary,
)
from dropslot.operate.replay.shards import ShardSource
from dropslot.operate.replay.source import Source
from dropslot.operate.replay.survey import Survey
from dropslot.operate.replay.tail import Tail
from dropslot.operate.requests import open_table
from dropslot.operate.screen import Screen
from dropslot.operate.shards import Stream
from dropslot.operate.target import Target

#: The source repeats its calls itself: it knows how long it may take.
_ONE_TRY: Final[Mapping[str, Any]] = {"connect_timeout": 3, "read_timeout": 20, "retries": {"total_max_attempts": 1}}


def replay(target: Target, screen: Screen, order: Order, *, ask: Callable[[str], None]) -> bool:
    """Replay and report; True if all could be read, and all that was to be redriven was.

    The report also comes when this is cut short, by Ctrl-C or an error; the same order then goes on where it was.

    Args:
        target: the pipeline.
        screen: where to report.
        order: what to do.
        ask: asks the operator a question; doesn't return if the answer is no.
    """
    command = {"table": target.table_arn, "stream": target.stream, **order.command}
    if target.running is not None:
        command["stack"] = str(target.running.pid)  # the next one's stream has the same name
    header = Header(command=command, started_at=time.time_ns() // 1_000_000, span=order.span)
    if order.dry_run:
        return _Replay(target, screen, order, Ledger(header)).preview()
    with kept(order.progress, header, restart=order.restart, resume=order.resume) as ledger:
        return _Replay(target, screen, order, ledger).carry_out(ask)


class _Replay:
    def __init__(self, target: Target, screen: Screen, order: Order, ledger: Ledger) -> None:
        self._target = target
        self._screen = screen
        self._order = order
        self._ledger = ledger
        self._tail: Tail | None = None
        self._documents = DocumentSource(order.failures, target, say=screen.say) if order.failures is not None else None

    @property
    def _all_read(self) -> bool:
        return self._documents is None or not self._documents.unreadable

    def preview(self) -> bool:
        """Say what would be done."""
        with metered(self._screen, self._ledger.header.span) as meter:
            actions = self._actions()
            survey = asyncio.run(self._look(meter, actions, partial(tell_acted, self._screen)))
        tell_classes(self._screen, survey.classes)
        if self._order.force:
            tell_gone(self._screen, survey, actions)
        tell_summary(self._screen, survey.classes, complete=True, meter=meter)
        return self._all_read

    def carry_out(self, ask: Callable[[str], None]) -> bool:
        """Do it, once it is known what is to be done, and the operator wants it."""
        order, ledger, screen = self._order, self._ledger, self._screen
        if ledger.resumed:
            screen.say(
                f"going on with {ledger.header.words} where it was stopped, after {ledger.classes.total():,} records; "
                f"--restart begins anew ({order.progress})"
            )
        actions = self._actions()
        # To restore what is gone takes all that the records tell of it; and only what was asked about is run again.
        if order.force or (order.failed and not order.yes):
            with metered(screen, ledger.header.span) as meter:
                survey = asyncio.run(self._look(meter, actions, tell_nobody))
            actions = self._actions(survey)
            if order.force:
                tell_gone(screen, survey, actions)
            asked = question(survey, actions, where=self._target.where)
            if asked is not None and not order.yes:
                tell_classes(screen, survey.classes)
                ask(asked)
        self._act(actions)
        return ledger.fates[Fate.REDRIVEN] == ledger.fates.total() and self._all_read

    async def _look(self, meter: Meter, actions: Actions, tell: Tell) -> Survey:
        survey = await self._carrier(meter).look(actions, tell)
        if self._order.force and self._documents is None:
            self._tail = Tail(survey, self._until, table_name=self._target.table, clock=SystemClock())
            await self._tail.catch_up()
        return survey

    def _act(self, actions: Actions) -> None:
        screen, ledger = self._screen, self._ledger
        complete = False
        client = self._target.dynamodb(writes=True)
        with (
            metered(screen, ledger.header.span) as meter,
            closing(DynamoDBRequests(Boto3Calls(client, self._target.table))) as table,
        ):
            redriver = Redriver(
                requests=table,
                restoring=table,
                clock=SystemClock(),
                backoff=Backoff(),
                per_second=self._order.per_second,
                fates=ledger.fates,
            )
            try:
                asyncio.run(self._carrier(meter).act(actions, redriver, partial(tell_acted, screen), tail=self._tail))
                complete = True
            finally:
                meter.stop()
                if complete or not ledger.is_new:
                    self._report(meter, complete=complete)

    def _report(self, meter: Meter, *, complete: bool) -> None:
        screen, ledger = self._screen, self._ledger
        tell_classes(screen, ledger.classes)
        tell_fates(screen, ledger.fates)
        tell_summary(screen, ledger.classes, ledger.fates, complete=complete, meter=meter)
        if not complete:
            screen.say(f"not finished: the same command goes on ({self._order.progress})")

    def _actions(self, survey: Survey | None = None) -> Actions:
        order = self._order
        return Actions(
            failed=order.failed,
            force=order.force,
            named=order.filters.ids,
            grace_ms=order.grace_ms,
            gone=survey.gone if survey is not None else {},
            settled=survey.settled if survey is not None else self._ledger.meant,
            hears_deletions=self._documents is None,
        )

    def _carrier(self, meter: Meter) -> Carrier:
        source = self._documents if self._documents is not None else self._shards(self._ledger.header.span)
        reader = Reader(
            source,
            open_table(self._target),
            table_name=self._target.table,
            filters=self._order.filters,
            clock=SystemClock(),
            grace_ms=self._order.grace_ms,
        )
        return Carrier(source=source, reader=reader, ledger=self._ledger, meter=meter)

    def _until(self, end_ms: int) -> Source:
        return self._shards(Span(start=self._ledger.header.span.start, end=Position(epoch_ms=end_ms)))

    def _shards(self, span: Span) -> Source:
        target = self._target
        return ShardSource(
            target.make_client("kinesis", _ONE_TRY),
            target.stream,
            shards=Stream(target.kinesis(), target.stream),
            shard=self._order.shard,
            span=span,
            clock=SystemClock(),
            backoff=Backoff(),
            say=self._screen.say,
        )

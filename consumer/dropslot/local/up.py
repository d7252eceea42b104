"""`dropslot up`: the local stack in a terminal, until Ctrl-C."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from dropslot.api.settings import ApiSettings
from dropslot.core.errors import ConfigurationError
from dropslot.local.errors import LocalStackError
from dropslot.local.info import StackInfo
from dropslot.local.mapping.positions import POSITIONS_FILE, disabling_file
from dropslot.local.options import LAMBDA, StackOptions
from dropslot.local.plan import api_config
from dropslot.local.reload import Reloader, handler_folder
from dropslot.local.stack import Stack
from dropslot.operate.running import RunningStack, announced
from dropslot.runtimes.preflight import check_handlers

_PLAIN: Final[dict[str, Any]] = {"highlight": False, "markup": False, "soft_wrap": True}
_REFRESH_SECONDS: Final = 0.25
#: Where there is no terminal, a line of counts appears at most this often, and only when they changed.
_PLAIN_SECONDS: Final = 5.0
_DEFAULT_HANDLER: Final = "app.handler:handle"
_ORDERS: Final = "orders"
_ORDER: Final = '{"restaurant": "Da Enzo", "items": [{"dish": "funghi", "quantity": 2}]}'


def run_up(options: StackOptions, console: Console) -> int:
    """Run the stack until SIGINT or SIGTERM, or until one of its processes dies. Leaves no process behind.

    To be called from the main thread, which alone can receive signals.

    Returns:
        The exit code: 0 after a signal, 1 if something couldn't start or died (the console says what).

    Raises:
        ConfigurationError: a part is missing, or the API's configuration is wrong.
    """
    with _Signals() as signals:
        try:
            example = _example(options)
            stack = Stack(options, os.environ, lambda words: console.print(words, style="dim", highlight=False))
        except LocalStackError as error:
            return _fail(console, error)
        try:
            info = stack.start()
            signals.running = True
            _introduce(console, info, example)
            with (
                announced(as_running(info), Path.cwd()),
                _reloader(options, stack, console) if options.reload else contextlib.nullcontext(),
            ):
                _watch(console, stack, signals.stop)
        except LocalStackError as error:
            return _fail(console, error)
        except KeyboardInterrupt:
            pass  # while it was starting
        finally:
            # Asked again while stopping: by then everything has been killed.
            with contextlib.suppress(KeyboardInterrupt):
                stack.stop()
    return 0


def stay_up(stack: Stack, console: Console) -> None:
    """Show a running stack's counts until SIGINT or SIGTERM; stopping it is left to its owner.

    Raises:
        ProcessDiedError: one of its processes died.
    """
    console.print(f"\nThe API stays up at [bold]{stack.info.url}[/bold]; Ctrl-C stops everything.\n", highlight=False)
    with _Signals() as signals, announced(as_running(stack.info), Path.cwd()):
        signals.running = True
        _watch(console, stack, signals.stop)


def _watch(console: Console, stack: Stack, stop: threading.Event) -> None:
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            while not stop.wait(_REFRESH_SECONDS):
                stack.check()
                live.update(Text(_counts_line(stack.live_counts())))
        return
    said: dict[str, int] = {}
    said_at = float("-inf")
    while not stop.wait(_REFRESH_SECONDS):
        stack.check()
        counts = stack.live_counts()
        if counts != said and time.monotonic() - said_at >= _PLAIN_SECONDS:
            console.print(_counts_line(counts), highlight=False)
            said, said_at = counts, time.monotonic()


def as_running(info: StackInfo) -> RunningStack:
    """Return what an operator's commands need to know of a stack."""
    positions = Path(info.state) / POSITIONS_FILE if info.consumer == LAMBDA else None
    return RunningStack(
        pid=os.getpid(),
        dynamodb_endpoint=info.dynamodb_endpoint,
        kinesis_endpoint=info.kinesis_endpoint,
        region=info.region,
        table=info.table,
        stream=info.stream,
        application=info.application,
        consumer=info.consumer,
        positions=str(positions) if positions is not None else None,
        mapping_disabled=str(disabling_file(positions)) if positions is not None else None,
    )


def _introduce(console: Console, info: StackInfo, example: tuple[str, str]) -> None:
    path, body = example
    console.print(f"\nThe API is at [bold]{info.url}[/bold]. Drop a request in:\n", highlight=False)
    console.print(
        f"  curl -i {info.url}/{path} -H 'Content-Type: application/json' -H 'Idempotency-Key: {path}-1' \\\n"
        f"       -d '{body}'\n\n"
        f"  curl {info.url}/{path}/{path}-1\n",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if info.websocket_url is not None:
        console.print(f"Outcomes are pushed at [bold]{info.websocket_url}[/bold].\n", highlight=False)
    console.print(f"DynamoDB: {info.dynamodb_endpoint}   Kinesis: {info.kinesis_endpoint}", highlight=False)
    console.print(f"Consumer: {info.consumer}", highlight=False)
    console.print(f"Logs:     {info.logs}", highlight=False, soft_wrap=True)
    if info.failures is not None:
        console.print(f"Given up: {info.failures}", highlight=False, soft_wrap=True)
    console.print("Ctrl-C stops everything.\n", highlight=False)


def _example(options: StackOptions) -> tuple[str, str]:
    """Return a path of the configured API and a body for it: the shipped example's, if it is there."""
    config = api_config(options)
    types = ApiSettings.load(config).types if config is not None else {}
    if _ORDERS in types:
        return _ORDERS, _ORDER
    return next(iter(types), "requests"), '{"hello": "world"}'


def _counts_line(counts: dict[str, int]) -> str:
    return "   ".join(f"{status} {count:,}" for status, count in counts.items())


def _reloader(options: StackOptions, stack: Stack, console: Console) -> Reloader:
    handlers = options.handler if options.handler is not None else os.environ.get("DROPSLOT_HANDLER", _DEFAULT_HANDLER)
    folders = {handler_folder(handler.strip(), Path.cwd()) for handler in handlers.split(",")}

    def reload() -> None:
        try:
            check_handlers({**os.environ, "DROPSLOT_HANDLER": handlers})
        except ConfigurationError as wrong:
            console.print(f"the handler changed, but can't be used, so the old one goes on: {wrong}", **_PLAIN)
            return
        console.print("the handler changed: its processes start anew", **_PLAIN)
        stack.reload_handlers()

    return Reloader(folders, reload)


def _fail(console: Console, error: Exception) -> int:
    console.print(str(error), style="red", highlight=False, markup=False, soft_wrap=True)
    return 1


class _Signals:
    """Turns SIGINT and SIGTERM into an orderly stop. Use as a context manager.

    While the stack starts or stops there is no loop that could look at the event: then they raise KeyboardInterrupt,
    which `Stack` answers by ending everything at once.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.running = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: object) -> None:
        if self.running and not self.stop.is_set():
            self.stop.set()
        else:
            raise KeyboardInterrupt

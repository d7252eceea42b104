"""One shard's process: the daemon starts it and speaks to it over its standard streams."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.kcl.checkpointer import TableUnreachableError
from dropslot.runtimes.kcl.engine_port import Engine
from dropslot.runtimes.kcl.handover import Handover
from dropslot.runtimes.kcl.heartbeat import SHARD_PREFIX, Heartbeat
from dropslot.runtimes.kcl.orders import ORDERS, RELOAD_SIGNAL, STOP_SIGNAL
from dropslot.runtimes.kcl.processor import Processor, StalledError, UnresolvedError
from dropslot.runtimes.kcl.protocol import Channel, ProtocolError
from dropslot.settings import Settings

log = logging.getLogger(__name__)

# Exit codes follow sysexits.h.
EXIT_FAILED: Final = 70
EXIT_UNREACHABLE: Final = 69
EXIT_UNRESOLVED: Final = 75
EXIT_PROTOCOL: Final = 76
EXIT_CONFIGURATION: Final = 78
_ENDINGS: Final[Mapping[type[Exception], tuple[str, int]]] = {
    ProtocolError: ("protocol_violation", EXIT_PROTOCOL),
    TableUnreachableError: ("table_unreachable", EXIT_UNREACHABLE),
    UnresolvedError: ("replacement_given_up", EXIT_UNRESOLVED),
    StalledError: ("shard_stalled", EXIT_FAILED),
}

#: Carries a `Handover` through exec. Not named like a setting, which an unknown name of would be refused.
HANDOVER_VARIABLE: Final = "_DROPSLOT_HANDOVER"


def main() -> NoReturn:
    """Run as the daemon's child; never returns."""
    code = EXIT_FAILED
    try:
        _await_orders()
        channel = _take_streams()
        # Only now: what these import may print.
        from dropslot.adapters import logs  # noqa: PLC0415
        from dropslot.runtimes.assembly import build_shard_engine  # noqa: PLC0415

        settings = Settings.from_env(os.environ)
        logs.configure(settings.log_level, sys.stderr)
        code = run(settings, lambda _shard_id: build_shard_engine(settings), channel=channel)
    except ConfigurationError as wrong:
        code = EXIT_CONFIGURATION
        log.log(logging.ERROR, "configuration_wrong", extra={"faults": wrong.faults})
    except Exception:
        log.exception("shard_process_failed")
    finally:
        leave(code)


def run(
    settings: Settings,
    build_engine: Callable[[str], Engine],
    *,
    channel: Channel | None = None,
    command: Sequence[str] = (sys.executable, "-m", "dropslot.runtimes.kcl.shard_process"),
    replace_margin_seconds: float = 10.0,
) -> int:
    """Serve the daemon until it closes its end.

    Args:
        settings: `state_dir` must be set.
        build_engine: makes the engine of a shard id.
        channel: the daemon; None takes the standard streams for it.
        command: what starts this program, for a replacement of the process image.
        replace_margin_seconds: how long a replacement waits for work in flight beyond the time limit of handlers.

    Returns:
        The exit code.

    Raises:
        ConfigurationError: when the engine can't be built.
    """
    if channel is None:
        _await_orders()
        channel = _take_streams()
    orders = _Orders()
    orders.listen()
    streams = channel
    processor = Processor(
        channel=channel,
        build_engine=build_engine,
        heartbeat_of=lambda shard_id: Heartbeat(
            Path(settings.state_dir) / f"{SHARD_PREFIX}{shard_id}.json", now_epoch_seconds=time.time
        ),
        monotonic_seconds=time.monotonic,
        pause_seconds=time.sleep,
        reload_wanted=lambda: RELOAD_SIGNAL in orders.given,
        stop_wanted=lambda: STOP_SIGNAL in orders.given,
        replace=lambda handover: _replace(streams, handover, command),
        shutdown_grace_seconds=settings.shutdown_grace_seconds,
        replace_grace_seconds=settings.handling_limit_seconds + replace_margin_seconds,
    )
    channel.while_waiting(processor.beat)
    try:
        processor.run(_take_handover())
    except (ProtocolError, TableUnreachableError, UnresolvedError, StalledError) as ended:
        event, code = _ENDINGS[type(ended)]
        # Without a trace: the reason says it all.
        log.log(logging.ERROR, event, extra={"error": str(ended)})
        return code
    except ConfigurationError:
        raise
    except Exception:
        log.exception("shard_process_failed")
        return EXIT_FAILED
    return 0


def leave(code: int) -> NoReturn:
    """End the process at once: threads of handlers that never return must not hold it."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


class _Orders:
    """What the supervisor asks of this process by a signal: see `shard_watch`."""

    def __init__(self) -> None:
        self.given: set[int] = set()

    def listen(self) -> None:
        for number in ORDERS:
            signal.signal(number, self._take)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)

    def _take(self, number: int, _frame: object) -> None:
        self.given.add(number)


def _await_orders() -> None:
    # A Ctrl-C or a stopping container reaches the whole process group: it is the daemon that says when to stop.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Held back, not ignored, until there is somebody to hear them: their default would end the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, ORDERS)


def _take_streams() -> Channel:
    """Keep the daemon's pipes for the protocol: what a handler prints goes to stderr, what it reads is empty.

    The copies aren't inherited, so a process that a handler leaves behind can't hold the pipes open.
    """
    channel = Channel(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return channel


def _replace(channel: Channel, handover: Handover, command: Sequence[str]) -> None:
    logging.shutdown()
    signal.pthread_sigmask(signal.SIG_BLOCK, ORDERS)
    os.dup2(channel.input_fd, 0)
    os.dup2(channel.output_fd, 1)
    state = msgspec.json.encode(handover).decode()
    os.execve(command[0], list(command), {**os.environ, HANDOVER_VARIABLE: state})  # noqa: S606 - our own command


def _take_handover() -> Handover | None:
    text = os.environ.pop(HANDOVER_VARIABLE, None)
    return None if text is None else msgspec.json.decode(text, type=Handover)


if __name__ == "__main__":
    main()

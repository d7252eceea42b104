"""The WebSocket API as a process of its own: `python -m dropslot.local.socket --help`."""

import argparse
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from logging import getLogger
from pathlib import Path
from typing import Final

import msgspec

from dropslot.adapters import logs
from dropslot.core import mapping
from dropslot.core.errors import ConfigurationError
from dropslot.local.clients import REGION
from dropslot.local.gateway.callers import Callers
from dropslot.local.mapping.entry import print_line, python_path
from dropslot.local.mapping.environment import FunctionSpec
from dropslot.local.mapping.function import Function
from dropslot.local.ports import LOOPBACK
from dropslot.local.serving import listen, serve
from dropslot.local.socket.app import SocketServer
from dropslot.local.socket.gate import AUTHS, NO_AUTH, Gate
from dropslot.local.socket.integration import Integration
from dropslot.local.socket.options import SocketOptions, callback_url, websocket_url

_log: Final = getLogger("dropslot.local.socket")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        The process's exit code: 0 after a signal, 2 when the settings are wrong, 1 when the port can't be had.
    """
    parsed = _parser().parse_args(arguments)
    logs.configure("INFO", sys.stderr)
    try:
        options = msgspec.json.decode(parsed.options, type=SocketOptions)
        options.check()
        callers = Callers.load(parsed.callers) if parsed.callers is not None else Callers()
        gate = Gate(parsed.auth, callers, region=parsed.region)
    except (ConfigurationError, msgspec.ValidationError) as wrong:
        _log.error("configuration_wrong", extra={"faults": getattr(wrong, "faults", (str(wrong),))})
        return 2
    try:
        listener = listen(LOOPBACK, parsed.port)
    except OSError as error:
        _log.error("port_unavailable", extra={"reason": error.strerror})
        return 1
    _allow_many_connections()
    port = listener.getsockname()[1]
    function = Function(
        FunctionSpec(
            name="dropslot-socket",
            handler=parsed.handler,
            environment={
                **os.environ,
                "PYTHONPATH": python_path(parsed.functions),
                "DROPSLOT_AUTH": parsed.auth,
                "DROPSLOT_CORS_ORIGIN": parsed.cors_origin,
                "DROPSLOT_CALLBACK_URL": callback_url(port),
            },
            timeout_seconds=options.timeout_seconds,
            memory_mib=options.memory_mib,
        ),
        on_line=print_line,
    )
    _log.info("listening", extra={"url": websocket_url(port)})
    serve(SocketServer(options, gate, Integration(function, concurrency=options.concurrency)), listener)
    _log.info("stopped")
    return 0


def _allow_many_connections() -> None:
    """Take as many files as may be had: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems say unlimited and then refuse it.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dropslot.local.socket", description=__doc__)
    parser.add_argument("--functions", required=True, type=Path, metavar="DIR", help="folder of the entry modules")
    parser.add_argument("--handler", default=mapping.SOCKET_HANDLER, metavar="MODULE.FUNCTION")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one and logs it")
    parser.add_argument("--region", default=REGION)
    parser.add_argument("--auth", default=NO_AUTH, choices=AUTHS, help="what a handshake has to prove")
    parser.add_argument("--callers", type=Path, metavar="FILE", help="who may connect then (TOML)")
    parser.add_argument("--cors-origin", default="", metavar="ORIGIN", help="whose pages may connect, or *")
    parser.add_argument("--options", default="{}", metavar="JSON", help="fields of SocketOptions")
    return parser


if __name__ == "__main__":
    sys.exit(main())

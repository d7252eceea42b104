"""What the servers of our own have in common: a listener on loopback, and an end in order by signal."""

import argparse
import asyncio
import ipaddress
import signal
import socket
from typing import Any, Final

import uvicorn

#: Longer than clients keep an idle connection (httpx: 5 s), or one is closed just as it is used again.
_KEEP_ALIVE_SECONDS: Final = 75
_GRACE_SECONDS: Final = 5
_BACKLOG: Final = 1024


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket: whoever hears of it may connect at once.

    Args:
        host: a loopback address.
        port: 0 takes a free one.

    Raises:
        OSError: the port can't be had.
    """
    # With the protocol named, asyncio turns Nagle's algorithm off: each answer would else wait 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def config(app: Any, **more: Any) -> uvicorn.Config:
    """Return the settings of a server, without its own log lines about each request."""
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        **more,
    )


def serve(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, and close the listener."""
    # After it has shut down, the server raises the signal again for whoever else listens; nobody else does.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with listener:
        asyncio.run(server.serve(sockets=[listener]))


def loopback(text: str) -> str:
    """Take a command line's address if it is one of this machine alone.

    Raises:
        ArgumentTypeError: it isn't.
    """
    if not ipaddress.ip_address(text).is_loopback:
        raise argparse.ArgumentTypeError("anybody on the network could use the API: it must be a loopback address")
    return text

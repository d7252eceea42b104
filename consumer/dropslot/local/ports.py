"""Free ports on the loopback interface."""

import random
import socket
from contextlib import ExitStack, suppress
from typing import Final

LOOPBACK: Final = "127.0.0.1"

#: Below what systems take for outgoing connections (Linux from 32768, macOS from 49152): one of those could get hold of
#: a port before its server does.
_PORTS: Final = range(15_000, 32_000)


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports that nothing listens on at this moment, all different.

    Another program can take one before its server binds it; the server then fails to start and says so.
    """
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(_PORTS, len(_PORTS)):
            if len(found) == count:
                break
            with suppress(OSError):
                held.enter_context(socket.socket()).bind((LOOPBACK, port))
                found.append(port)
    return tuple(found)


def is_listening(port: int) -> bool:
    """Tell whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0

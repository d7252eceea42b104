"""What can be chosen about the local WebSocket API; every default is API Gateway's own quota, or close to what it does.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
"""

from dataclasses import dataclass
from typing import Final

from dropslot.core import mapping
from dropslot.core.errors import ConfigurationError
from dropslot.local.ports import LOOPBACK

#: The one stage, the first part of every path.
STAGE: Final = "local"
#: Route keys besides those that begin with `$`.
ROUTES: Final = frozenset({"watch"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketOptions:
    """The limits of the API and of its function.

    Args:
        frame_max_bytes: a larger frame of a client closes its connection.
        message_max_bytes: so does a larger message, in however many frames; a push may have as many.
        idle_seconds: a connection without a message in either direction is closed.
        connection_seconds: so is one that has lasted this long.
        push_seconds: how long a push waits for a client that doesn't read; AWS doesn't document its own.
        stall_seconds: a client that reads nothing for this long, while something waits for it, is cut off.
        concurrency: how many invocations run at once, others wait.
        timeout_seconds: of one invocation.
        memory_mib: of the function.
    """

    frame_max_bytes: int = 32 * 1024
    message_max_bytes: int = 128 * 1024
    idle_seconds: float = 600.0
    connection_seconds: float = 7200.0
    push_seconds: float = 1.0
    stall_seconds: float = 30.0
    concurrency: int = 4
    timeout_seconds: float = mapping.SOCKET_TIMEOUT_SECONDS
    memory_mib: int = mapping.SOCKET_MEMORY_MIB

    def check(self) -> None:
        """Check that each is above 0.

        Raises:
            ConfigurationError: with one sentence for each that isn't.
        """
        faults = [
            f"{name}={value:g} must be above 0"
            for name in self.__slots__
            if not (value := float(getattr(self, name))) > 0
        ]
        if faults:
            raise ConfigurationError(*faults)


def websocket_url(port: int) -> str:
    """Return where clients connect to."""
    return f"ws://{LOOPBACK}:{port}/{STAGE}"


def callback_url(port: int) -> str:
    """Return where functions find the management API."""
    return f"http://{LOOPBACK}:{port}/{STAGE}"

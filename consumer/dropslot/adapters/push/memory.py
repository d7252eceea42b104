"""Frames to connections in memory, for tests."""

from dropslot.engine.feedback_ports import Delivery


class MemoryPusher:
    """Twin of the management API: keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.gone: set[str] = set()

    async def push(self, connection: str, frame: bytes) -> Delivery:
        """See `Pusher.push`."""
        if connection in self.gone:
            return Delivery.GONE
        self.sent.append((connection, frame))
        return Delivery.SENT

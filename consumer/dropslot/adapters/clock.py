"""The system's time."""

import asyncio
import time


class SystemClock:
    """Wall-clock time; sleeps on the running loop."""

    def now_ms(self) -> int:
        """Return epoch milliseconds."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

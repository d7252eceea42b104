"""The signals by which the supervisor asks something of a shard process."""

import signal
from typing import Final

#: Replace yourself by a fresh image at the next safe point.
RELOAD_SIGNAL: Final = signal.SIGHUP

#: The daemon is about to be stopped: start nothing more.
STOP_SIGNAL: Final = signal.SIGUSR1

ORDERS: Final = frozenset({RELOAD_SIGNAL, STOP_SIGNAL})

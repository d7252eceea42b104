"""The sweep of a consumer, in a thread beside the supervisor."""

import logging
import threading
from collections.abc import Callable
from typing import Final, Protocol

from dropslot.settings import Settings

log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 5.0


class Sweep(Protocol):
    """Redrives requests until it is told to stop."""

    def run(self, stop: threading.Event) -> None:
        """Sweep again and again, until `stop` is set."""


class SweepThread:
    """Sweeps while its block runs; a sweep that fails is built and run again, for it is what the guarantee rests on."""

    def __init__(self, settings: Settings, build: Callable[[Settings], Sweep]) -> None:
        self._settings = settings
        self._build = build
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweep", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_PAUSE_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._build(self._settings).run(self._stop)
            except Exception:
                log.exception("sweep_failed")
            self._stop.wait(_PAUSE_SECONDS)

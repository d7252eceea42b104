"""A sweep without a consumer, until SIGTERM: `python -m tests.chaos.sweeper`."""

import os
import signal
import threading

from dropslot.runtimes.assembly import build_sweep
from dropslot.settings import Settings


def main() -> None:
    """Sweep with the settings of the environment."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # Not in the main thread, which alone hears signals.
    sweeping = threading.Thread(target=build_sweep(Settings.from_env(os.environ)).run, args=(stop,))
    sweeping.start()
    stop.wait()
    sweeping.join()


if __name__ == "__main__":
    main()

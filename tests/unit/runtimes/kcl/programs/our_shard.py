"""A shard process with a tiny engine, which does what each record's data says."""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dropslot.adapters import logs
from dropslot.engine.stream_record import StreamRecord
from dropslot.runtimes.kcl import shard_process
from dropslot.settings import Settings


class TinyEngine:
    """Resolves a record as soon as it comes, unless its data is one of the words below.

    `raise`: fails; `stuck`: is never resolved; `slow`: is resolved by the next drain; `long`: no
    more of its batch is taken until the shard is abandoned; `recycle`: asks for a fresh
    process; `print`: prints, and reads stdin; `refuse`: the table is out of reach.
    """

    def __init__(self, shard_id: str) -> None:
        self.checkpoint: str | None = None
        self.must_recycle = False
        self.unreachable = False
        self.stalled = False
        self._blocked = False
        self.complete = True
        self._abandoned = False
        self._slow: str | None = None
        self._seen = 0
        self._out = Path(os.environ["TINY_OUT"]).open("a")  # noqa: SIM115 - closed in close()
        self._note({"started": shard_id, "pid": os.getpid()})

    @property
    def counters(self) -> Mapping[str, int]:
        """Count the records."""
        return {"seen": self._seen}

    def submit(self, records: Sequence[StreamRecord], *, tick: Callable[[], None]) -> None:
        """Do what the data says."""
        for record in records:
            if self._abandoned:
                self.complete = False
                break
            word = record.data.decode()
            self._seen += 1
            self._note({"sequence_number": record.sequence_number, "data": word, "at": time.time()})
            self._obey(word, record.sequence_number, tick)
            if not self._blocked and self._slow is None:
                self.checkpoint = record.sequence_number
        tick()

    def _obey(self, word: str, sequence_number: str, tick: Callable[[], None]) -> None:
        match word:
            case "raise":
                raise RuntimeError("a handler's bug that got through")
            case "print":
                print('{"action":"status","responseFor":"processRecords"}', flush=True)  # noqa: T201 - what a handler may do
                self._note({"read": sys.stdin.read()})
            case "stuck":
                self._blocked = True
            case "long":
                while not self._abandoned:
                    time.sleep(0.01)
                    tick()
            case "slow":
                self._slow = sequence_number
            case "recycle":
                self.must_recycle = True
            case "refuse":
                self.unreachable = True

    def drain(self, timeout_seconds: float, *, tick: Callable[[], None]) -> bool:
        """Resolve what is slow."""
        if self._slow is not None:
            self.checkpoint, self._slow = self._slow, None
        if self._blocked:
            time.sleep(min(timeout_seconds, 0.05))
        return not self._blocked

    def stand_down(self) -> None:
        """Blame nobody."""

    def abandon(self) -> None:
        """Note it, and take nothing more."""
        self._abandoned = True
        self._note({"abandoned": True})

    def close(self) -> None:
        """Close the notes."""
        self._out.close()

    def _note(self, what: Mapping[str, object]) -> None:
        self._out.write(json.dumps(what) + "\n")
        self._out.flush()


def main() -> None:
    """Run as the daemon's child."""
    logs.configure("INFO", sys.stderr)
    logging.getLogger(__name__).info("program_started")
    settings = Settings.from_env(os.environ)
    code = shard_process.run(
        settings,
        TinyEngine,
        command=(sys.executable, __file__),
        replace_margin_seconds=settings.handler_timeout_seconds,
    )
    shard_process.leave(code)


if __name__ == "__main__":
    main()

"""The file that tells how far a replay is: one replay at a time, and only the one that has begun it."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from dropslot.core.errors import ConfigurationError
from dropslot.operate.moments import format_moment
from dropslot.operate.replay.ledger import Header, Ledger

#: Where it is, below the folder that the command is given in, unless the operator says.
FILE: Final = Path(".dropslot") / "replay.jsonl"
#: Whoever repeats a command so soon means the one that was stopped, although "6h" and "now" are others by then.
FORGOTTEN_AFTER_SECONDS: Final = 3_600


@contextmanager
def kept(path: Path, header: Header, *, restart: bool = False, resume: bool = False) -> Iterator[Ledger]:
    """Keep a ledger in a file, which a stopped replay leaves and a finished one removes.

    Args:
        path: the file.
        header: of a new replay.
        restart: forget what the file says.
        resume: go on with it, however long ago that was.

    Raises:
        ConfigurationError: the file is of another replay, or of something else, or one is at work on it, or it can't
            be made; it is of a forgotten one, and what the same command means by now is something else; or there is
            nothing to go on with.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(f"no progress can be kept: {error}: give another --progress") from None
    with os.fdopen(descriptor, "r+b") as file:
        ledger = _opened(path, file, header, restart=restart, resume=resume)
        try:
            yield ledger
        except BaseException:
            if ledger.is_new:
                path.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)


def _opened(path: Path, file: BinaryIO, header: Header, *, restart: bool, resume: bool) -> Ledger:
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise ConfigurationError(f"{path} is no file that keeps progress: give another --progress")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigurationError(f"another replay is at work with {path}: give this one its own --progress") from None
    noted_ms = round(os.fstat(file.fileno()).st_mtime * 1000)
    try:
        ledger = Ledger.read(file)
    except msgspec.DecodeError:
        raise ConfigurationError(f"{path} tells no progress of a replay: give another --progress") from None
    if restart:
        file.seek(0)
        file.truncate()
        ledger = None
    if ledger is not None:
        _check_command(path, ledger.header, header)
        stopped_seconds = (header.started_at - noted_ms) / 1000
        if not resume and ledger.header.span != header.span and stopped_seconds > FORGOTTEN_AFTER_SECONDS:
            raise ConfigurationError(
                f"{path} tells how far {ledger.header.words} was when it was stopped, at {format_moment(noted_ms)}. By "
                "now the same command would read something else: --resume goes on with that one, --restart begins anew"
            )
        file.truncate()  # not before: it would count as noted just now
        ledger.resumed = True
        return ledger
    if resume:
        path.unlink(missing_ok=True)
        raise ConfigurationError(f"{path} tells of no replay to go on with: leave --resume out")
    return Ledger.new(header, file)


def _check_command(path: Path, kept: Header, given: Header) -> None:
    if kept.command == given.command:
        return
    differ = sorted(
        name for name in kept.command.keys() | given.command.keys() if kept.command.get(name) != given.command.get(name)
    )
    raise ConfigurationError(
        f"{path} tells how far {kept.words} is. This one differs in "
        f"{', '.join(differ)}: finish that one by its own command, or forget it with --restart, or give this one "
        "another file with --progress"
    )

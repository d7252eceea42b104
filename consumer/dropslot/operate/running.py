"""The file by which a running local stack tells an operator's commands where it is."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

#: Where the file is, below the folder that the stack was started in.
FILE: Final = Path(".dropslot") / "running.json"


class RunningStack(msgspec.Struct, frozen=True, kw_only=True):
    """Where a running stack is.

    Args:
        pid: the process that started it and ends it.
        dynamodb_endpoint: URL of DynamoDB Local.
        kinesis_endpoint: URL of kinesis-local.
        region: AWS region that it claims to be in.
        table: name of the table of requests.
        stream: name of the stream.
        application: name of the KCL application.
        consumer: what runs requests: ``kcl`` or ``lambda``.
        positions: file in which the Lambda consumer's mapping keeps how far it is; None under KCL.
        mapping_disabled: file that disables that mapping while it is there; None under KCL.
    """

    pid: int
    dynamodb_endpoint: str
    kinesis_endpoint: str
    region: str
    table: str
    stream: str
    application: str
    consumer: str
    positions: str | None
    mapping_disabled: str | None = None


@contextmanager
def announced(stack: RunningStack, folder: Path) -> Iterator[None]:
    """Keep the file while the block runs. Of two stacks in one folder the later one is found.

    Args:
        stack: what to tell.
        folder: in which the stack was started.
    """
    file = folder / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with draft.open("wb") as held:
        # The kernel lets go of the lock when this process ends in any way: a file without one is stale.
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(msgspec.json.encode(stack))
        held.flush()
        draft.replace(file)
        try:
            yield
        finally:
            with suppress(OSError):
                if os.path.samestat(os.fstat(held.fileno()), file.stat()):
                    file.unlink()


def find_running(folder: Path) -> RunningStack | None:
    """Return the stack that was started in this folder and is still up, None if there is none."""
    try:
        with (folder / FILE).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return msgspec.json.decode(file.read(), type=RunningStack)
    except (OSError, msgspec.DecodeError):
        pass
    return None

"""Replaces the shard processes when the handler's files change, and nothing else of the stack."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import watchfiles


def handler_folder(handler: str, current: Path) -> Path:
    """Return the folder to watch for a handler such as ``app.handler:handle``: that of its module.

    Args:
        handler: one target of the setting DROPSLOT_HANDLER.
        current: the folder that modules are imported from.
    """
    module = handler.rpartition("=")[2].partition(":")[0]
    return current.joinpath(*module.split(".")[:-1])


class Reloader:
    """Watches folders in a thread and tells shard processes to replace themselves. Use as a context manager.

    Args:
        folders: what to watch.
        shard_pids: asked at each change; those processes get SIGHUP, which they answer by starting anew.
        on_reload: told how many processes were told.
    """

    def __init__(
        self, folders: set[Path], shard_pids: Callable[[], Mapping[str, int]], on_reload: Callable[[int], None]
    ) -> None:
        self._folders = folders
        self._shard_pids = shard_pids
        self._on_reload = on_reload
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="reload", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        changes = watchfiles.watch(
            *self._folders,
            watch_filter=watchfiles.PythonFilter(extra_extensions=(".json", ".toml", ".yaml", ".yml")),
            stop_event=self._stop,
            raise_interrupt=False,
        )
        for _ in changes:
            told = 0
            for pid in self._shard_pids().values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGHUP)
                    told += 1
            self._on_reload(told)

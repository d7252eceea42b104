"""Has the consumer replace its shard processes when the handler's files change, and nothing else of the stack."""

import threading
from collections.abc import Callable
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
    """Watches folders in a thread. Use as a context manager.

    Args:
        folders: what to watch.
        reload: called at each change.
    """

    def __init__(self, folders: set[Path], reload: Callable[[], None]) -> None:
        self._folders = folders
        self._reload = reload
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
            self._reload()

"""Requests and the client that hands them in until each is accepted: the first book of the ledger."""

import json
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from dropslot.core import names

TYPE: Final = "tasks"
_CLIENTS: Final = 8
_RETRY_SECONDS: Final = 0.2
_ACCEPTED: Final = frozenset((200, 202))


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One request and what must become of it.

    Args:
        key: its idempotency key.
        body: what the handler will do.
        status: how it must end.
        error: what its error must hold, "" when it mustn't have one.
    """

    key: str
    body: str
    status: str = names.DONE
    error: str = ""

    @property
    def item_id(self) -> str:
        """Key of its item."""
        return names.item_id(names.NO_CALLER, TYPE, self.key)


def ordinary(count: int, seed: int, prefix: str = "t") -> list[Task]:
    """Make requests that take 50 to 450 ms each; one in twenty is rejected by its handler."""
    chance = random.Random(seed)
    tasks = []
    for n in range(count):
        if chance.random() < 0.05:
            tasks.append(_task(f"{prefix}-{n}", {"do": "reject", "n": n}, status=names.FAILED, error=f"refused {n}"))
        else:
            tasks.append(_task(f"{prefix}-{n}", {"do": "work", "n": n, "ms": chance.randint(50, 450)}))
    return tasks


def failing(deed: str, key: str, error: str) -> Task:
    """Make a request that does this, and must be failed with this error."""
    return _task(key, {"do": deed}, status=names.FAILED, error=error)


@dataclass(slots=True, kw_only=True)
class Client:
    """Hands requests in as a careful client would: with a key, again and again until there is a clear yes.

    Args:
        url: base URL of the API.
    """

    url: str
    accepted: dict[str, Task] = field(default_factory=dict)
    offered: dict[str, Task] = field(default_factory=dict)
    again: int = 0
    last_accepted_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def send_all(self, tasks: Sequence[Task]) -> None:
        """Hand in all of them, several at a time; returns when each is accepted.

        Raises:
            AssertionError: the API gave an answer that no outage explains.
        """
        # Everything is on offer from here on: an answer that was lost may have been a yes.
        self.offered |= {task.item_id: task for task in tasks}
        with (
            httpx.Client(base_url=self.url, timeout=40, trust_env=False) as http,
            ThreadPoolExecutor(_CLIENTS) as clients,
        ):
            for sent in [clients.submit(self._send, http, task) for task in tasks]:
                sent.result()

    def give_up(self) -> None:
        """Stop handing in what hasn't been accepted."""
        self._stopped.set()

    def _send(self, http: httpx.Client, task: Task) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": task.key}
        while not self._stopped.is_set():
            status = _put(http, task.body, headers)
            if status in _ACCEPTED:
                with self._lock:
                    self.accepted[task.item_id] = task
                    self.last_accepted_at = time.monotonic()
                return
            assert status in {0, 429} or status >= 500, f"{status} for {task.key}"
            with self._lock:
                self.again += 1
            self._stopped.wait(_RETRY_SECONDS)


def _put(http: httpx.Client, body: str, headers: dict[str, str]) -> int:
    """Return the answer's status, 0 when there was none."""
    try:
        return http.put(f"/{TYPE}", content=body.encode(), headers=headers).status_code
    except httpx.TransportError:
        return 0


def _task(key: str, body: dict[str, Any], **expected: str) -> Task:
    return Task(key=key, body=json.dumps(body), **expected)

"""Sends samples to the API, as many clients would."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from dropslot.demo.corpus import Sample

#: Clients at once: enough to keep one gateway process busy.
CLIENTS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A sample and the API's answer.

    Args:
        sample: what was sent.
        status_code: of the answer, 0 when there was none.
        location: where to ask for its status.
    """

    sample: Sample
    status_code: int
    location: str

    @property
    def accepted(self) -> bool:
        """The API took it."""
        return self.status_code == httpx.codes.ACCEPTED


async def send_all(url: str, samples: Sequence[Sample], *, on_sent: Callable[[], None]) -> list[Sent]:
    """Send every sample once.

    Args:
        url: base URL of the API.
        samples: what to send.
        on_sent: called after each answer.

    Returns:
        The answers, in no particular order.
    """
    queue = list(reversed(samples))
    sent: list[Sent] = []

    async def client() -> None:
        while queue:
            sent.append(await _send(http, queue.pop()))
            on_sent()

    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http, asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())
    return sent


async def _send(http: httpx.AsyncClient, sample: Sample) -> Sent:
    headers = {"Content-Type": "application/json", sample.key_header: sample.key, **sample.headers}
    try:
        answer = await http.post(f"/{sample.type}", content=sample.body.encode(), headers=headers)
    except httpx.TransportError:
        return Sent(sample=sample, status_code=0, location="")
    return Sent(sample=sample, status_code=answer.status_code, location=answer.headers.get("Location", ""))

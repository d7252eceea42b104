"""microburst in front of DynamoDB: answers as AWS does when it throttles, fails, is slow or hangs up."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from dropslot.local.guard import Guard
from dropslot.local.ports import LOOPBACK
from dropslot.local.process import Process, ProcessSpec
from dropslot.local.servers import endpoint, wait_until

Rule = Mapping[str, Any]

#: By order, not by chance: microburst has no seed, and this hits the same share in every run.
_TWO_OF_FIVE: Final = {"fail": 2, "pass": 3}

THROTTLES: Final[Sequence[Rule]] = (
    {
        "service": "dynamodb",
        "sequence": _TWO_OF_FIVE,
        "error": {"code": "ProvisionedThroughputExceededException", "status": 400},
    },
)
SERVER_ERRORS: Final[Sequence[Rule]] = (
    {"service": "dynamodb", "sequence": _TWO_OF_FIVE, "error": {"code": "InternalServerError", "status": 500}},
)
LATENCY: Final[Sequence[Rule]] = ({"service": "dynamodb", "latency": {"min": 300, "max": 2500}},)
#: Half of the resets come before the call is made, half after it: then it was made, and its answer is lost.
RESETS: Final[Sequence[Rule]] = (
    {"service": "dynamodb", "sequence": {"fail": 1, "pass": 4}, "reset": True},
    {"service": "dynamodb", "sequence": {"fail": 1, "pass": 3}, "response": {"abort_frac": 0.1}},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A running microburst.

    Args:
        url: where it listens.
    """

    url: str

    def misbehave(self, rules: Sequence[Rule]) -> None:
        """Apply these rules instead of those before; none makes it faithful."""
        self._control("POST", "rules", list(rules))

    def struck(self) -> int:
        """Return how many calls it has spoilt so far."""
        return int(self._control("GET", "stats")["requests"]["faulted"])

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(method, f"{self.url}/_microburst/{path}", json=body, timeout=10, trust_env=False)
        return answer.raise_for_status().json()


@contextmanager
def running_proxy(
    port: int, upstream: str, *, environment: Mapping[str, str], log: Path, guard: Guard
) -> Iterator[Proxy]:
    """Run microburst in front of a server for a `with` block, at first without a fault."""
    command = (sys.executable, "-m", "microburst", "--upstream", upstream, "--host", LOOPBACK, "--port", str(port))
    process = Process.start(ProcessSpec(name="microburst", command=command, environment=environment, log=log), guard)
    try:
        proxy = Proxy(url=endpoint(port))
        wait_until(process, lambda: _answers(proxy))
        yield proxy
    finally:
        process.kill()


def _answers(proxy: Proxy) -> bool:
    try:
        proxy.struck()
    except httpx.TransportError:
        return False
    return True

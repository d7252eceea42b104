"""Taps in front of the local servers, and the permissions that the calls through them need."""

import base64
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from dropslot.local.parts import Parts
from dropslot.local.ports import free_ports, is_listening
from dropslot.local.servers import endpoint
from tests.chaos.patience import eventually
from tests.iam.calls import Need, Places, needs, push_needs

_TAP: Final = Path(__file__).with_name("tap.mjs")
_START_SECONDS: Final = 20.0


class Recorder:
    """Collects what each role needs, while its calls go through the role's own taps.

    Args:
        parts: where Node.js is.
        environment: of the taps.
    """

    def __init__(self, parts: Parts, environment: Mapping[str, str]) -> None:
        self._node = parts.node
        self._environment = environment
        self._recorded: dict[str, set[Need]] = {}
        self._faults: list[str] = []

    @property
    def recorded(self) -> dict[str, set[Need]]:
        """What was seen so far, by role.

        Raises:
            AssertionError: a call was seen that the record has no words for.
        """
        assert not self._faults, "\n".join(self._faults)
        return {role: set(seen) for role, seen in self._recorded.items()}

    @contextmanager
    def tapped(self, role: str, upstream: str, places: Places, *, port: int | None = None) -> Iterator[str]:
        """Run a tap for a `with` block.

        Args:
            role: who calls through it.
            upstream: URL of the server behind it; it may start later.
            places: what the names in these calls stand for.
            port: where the tap listens; None takes a free one.

        Yields:
            The tap's URL.
        """
        port = port if port is not None else free_ports(1)[0]
        with subprocess.Popen(
            [str(self._node), str(_TAP), str(port), upstream],
            env=dict(self._environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as tap:
            assert tap.stdout is not None
            seen = self._recorded.setdefault(role, set())
            reader = threading.Thread(target=self._listen, args=(tap.stdout, role, places, seen))
            reader.start()
            try:
                eventually(lambda: is_listening(port), _START_SECONDS, lambda: "the tap doesn't listen")
                yield endpoint(port)
            finally:
                tap.kill()
                reader.join()

    def _listen(self, lines: IO[bytes], role: str, places: Places, seen: set[Need]) -> None:
        for line in lines:
            call = json.loads(line)
            try:
                if call["target"]:
                    seen |= needs(call["target"], call["type"], base64.b64decode(call["body"]), places)
                else:
                    seen |= push_needs(call["method"], call["path"])
            except (ValueError, KeyError) as unknown:
                self._faults.append(f"{role}: {call['target'] or 'a call without a target'}: {unknown!r}")
